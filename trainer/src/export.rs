//! `trainer export`: a run's checkpoint as a file to ship.

use std::path::PathBuf;

use engine::Result;
use engine::checkpoint::{Checkpoint, Precision};
use engine::playable::Playable;

/// Writes a trained model with half-precision weights: half the size, and what the plugin and the command line read.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Model file of a run.
    #[arg(long)]
    pub model: PathBuf,
    /// File to write.
    #[arg(long)]
    pub out: PathBuf,
}

/// Checks that the model plays, and writes it.
pub fn run(args: &Args) -> Result<()> {
    let checkpoint = Checkpoint::read(&args.model)?;
    Playable::packed(&checkpoint)?;
    checkpoint.write(&args.out, Precision::F16)
}
