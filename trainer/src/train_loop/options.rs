//! Options of a training run.

use std::path::PathBuf;

/// Options of the command line, which are not in the run config.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The run folder.
    pub out: PathBuf,
    /// Whether to continue the run in the folder.
    pub resume: bool,
    /// Stop after this number of minutes.
    pub minutes: Option<f64>,
    /// Whether to print no progress.
    pub quiet: bool,
}
