//! A tiny training on the CPU, for the tests of this folder.

use std::path::Path;

use trainer::train::{Args, Model};

/// A config of seconds.
pub const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/configs/tiny.toml");

/// A training from nothing, as the config has it.
pub fn training(model: Model, data: &Path, out: &Path) -> Args {
    Args { config: Some(CONFIG.into()), ..Args::new(model, data, out) }
}
