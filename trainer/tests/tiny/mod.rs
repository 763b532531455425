//! A tiny training on the CPU.

use std::path::Path;

use trainer::train::{Args, Model};

/// A config that trains in seconds.
pub const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/configs/tiny.toml");

/// A new training with the tiny config.
pub fn training(model: Model, data: &Path, out: &Path) -> Args {
    Args { config: Some(CONFIG.into()), ..Args::new(model, data, out) }
}
