//! What is judged, by whom, and how it draws.

use std::path::PathBuf;

use super::sampling::Sampling;

/// Options that every evaluation of a whole model has.
#[derive(Clone, Debug, clap::Args)]
pub struct EvalArgs {
    /// Model file.
    #[arg(long)]
    pub model: PathBuf,
    /// Classifier that judges; it must have been trained on other data than the model's losses
    /// listen through.
    #[arg(long)]
    pub classifier: PathBuf,
    /// How the model draws.
    #[command(flatten)]
    pub sampling: Sampling,
}
