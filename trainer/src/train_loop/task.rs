//! The interface of a model for the training loop.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use engine::checkpoint::Checkpoint;

use crate::losses::Losses;
use crate::optim::Parameters;
use crate::plot::ImageTable;

/// The result of a validation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    /// Metric for the learning rate and the best checkpoint; lower is better.
    pub monitor: f64,
    /// All metrics for the log and the checkpoint.
    pub values: BTreeMap<String, f64>,
}

/// Origin and metrics of an exported model file.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Task, steps, seconds, version and run config.
    pub provenance: serde_json::Value,
    /// Metrics of the last validation.
    pub metrics: serde_json::Value,
}

/// A model in training. The task owns data and networks, the loop owns schedule, optimiser and files.
pub trait Task {
    /// `autoencoder`, `ldm` or `classifier`.
    fn name(&self) -> &'static str;

    /// The trained variables, without frozen ones.
    fn parameters(&self) -> Parameters;

    /// The losses of one step's batch. Steps ascend from call to call.
    ///
    /// All random numbers are from [`step_rng`](super::step_rng), which only depends on seed and
    /// step. The task must not keep other state between steps, or a resumed run would differ.
    ///
    /// # Errors
    /// If the batch cannot be computed.
    fn step(&mut self, step: u64) -> Result<Losses>;

    /// Evaluates the current weights on validation data, the same data at every call.
    ///
    /// # Errors
    /// If a network fails.
    fn validate(&mut self) -> Result<Metrics>;

    /// Example images of the current weights, if the model has any.
    ///
    /// # Errors
    /// If a network fails.
    fn panels(&mut self) -> Result<Option<ImageTable>>;

    /// The frozen model that the run depends on, which shards include.
    fn frozen(&self) -> Option<Checkpoint> {
        None
    }

    /// Writes the current weights as a model file, atomically.
    ///
    /// # Errors
    /// If it cannot be written.
    fn export(&mut self, path: &Path, record: &Record) -> Result<()>;
}
