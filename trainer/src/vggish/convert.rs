//! `trainer convert-vggish`: converts torchvggish's published weights to a feature network.

use std::path::{Path, PathBuf};

use anyhow::Result;
use engine::checkpoint::{Checkpoint, Kind, Precision};
use serde_json::json;

use super::Vggish;
use super::pth::Pth;

/// Converts VGGish weights in torch's format (.pth) for `feature_network`.
///
/// The input is torchvggish's `vggish-10086976.pth`, with the tensors features.0 to features.13.
/// Its embedding layers are left out, because no loss uses them.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// State dict of torchvggish's network.
    #[arg(value_name = "VGGISH.PTH")]
    pub weights: PathBuf,
    /// File to write.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// Reads the weights and writes those of the convolutions.
///
/// # Errors
/// As [`checkpoint`], or if the file cannot be written.
pub fn run(args: &Args) -> Result<()> {
    Ok(checkpoint(&args.weights)?.write(&args.out, Precision::F32)?)
}

/// The convolutions of a torch state dict as a checkpoint.
///
/// # Errors
/// If the file cannot be read, is not a state dict, or lacks a weight of the right shape and type.
pub fn checkpoint(path: &Path) -> engine::Result<Checkpoint> {
    let file = Pth::open(path)?;
    let mut checkpoint = Checkpoint::new(Kind::Vggish, &())?;
    for (name, shape) in Vggish::parameters() {
        let tensor = file.tensor(&name, &shape)?;
        checkpoint.tensors.insert(name, tensor);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    checkpoint.provenance = json!({ "converted_from": name });
    Ok(checkpoint)
}
