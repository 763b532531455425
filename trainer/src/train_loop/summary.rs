//! The result of a training run.

use serde_json::Value;

/// The end of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Number of steps in total.
    pub step: u64,
    /// Why the run stopped before its last step; `None` if it did not.
    pub stopped: Option<&'static str>,
    /// Metrics of the last validation.
    pub metrics: Value,
}
