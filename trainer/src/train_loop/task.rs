//! What the loop asks of a thing that can be trained.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use engine::checkpoint::Checkpoint;

use crate::losses::Losses;
use crate::optim::Parameters;
use crate::plot::ImageTable;

/// What one validation found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    /// The number that decides about the learning rate and the best checkpoint; less is better.
    pub monitor: f64,
    /// Everything worth a line in the log and in the checkpoint.
    pub values: BTreeMap<String, f64>,
}

/// What an exported model file says about where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// How it was made: task, steps, seconds, seed, data, config.
    pub provenance: serde_json::Value,
    /// What the last validation found.
    pub metrics: serde_json::Value,
}

/// Something that can be trained: it owns data and networks, the loop owns time, optimiser and
/// files.
pub trait Task {
    /// `autoencoder`, `ldm` or `classifier`.
    fn name(&self) -> &'static str;

    /// The trained variables. What is frozen is not among them.
    fn parameters(&self) -> Parameters;

    /// The losses of one step's batch; steps are asked for in order. Everything random comes from
    /// [`step_rng`](super::step_rng), which depends on the seed and the step alone; the task keeps
    /// no other state that changes from step to step, else a resumed run would differ.
    fn step(&mut self, step: u64) -> Result<Losses>;

    /// Judges the current weights on data that is never trained on, the same data at every call.
    fn validate(&mut self) -> Result<Metrics>;

    /// Pictures of what the current weights do, if there is something to see.
    fn panels(&mut self) -> Result<Option<ImageTable>>;

    /// What the run stands on and does not train; a run in shards takes it along.
    fn frozen(&self) -> Option<Checkpoint> {
        None
    }

    /// Writes the current weights as a model file (in one piece: a reader never sees half of it).
    fn export(&mut self, path: &Path, record: &Record) -> Result<()>;
}
