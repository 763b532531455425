//! Options of every evaluation of a complete model.

use std::path::PathBuf;

use super::sampling::Sampling;

/// Model, judge and sampler of an evaluation.
#[derive(Clone, Debug, clap::Args)]
pub struct EvalArgs {
    /// Model file.
    #[arg(long)]
    pub model: PathBuf,
    /// Model file of the judge, a classifier. No loss of the model may use it.
    #[arg(long)]
    pub classifier: PathBuf,
    /// Sampler settings.
    #[command(flatten)]
    pub sampling: Sampling,
}
