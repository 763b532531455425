//! A tiny training on the CPU, for the tests of this folder.

use std::path::Path;

use trainer::train::{Args, DeviceKind, Model};

/// A config of seconds.
pub const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/configs/tiny.toml");

/// A training from nothing, as the config has it.
pub fn training(model: Model, data: &Path, out: &Path) -> Args {
    Args {
        model,
        config: Some(CONFIG.into()),
        data: Some(data.to_path_buf()),
        out: out.to_path_buf(),
        init: None,
        resume: false,
        minutes: None,
        device: DeviceKind::Cpu,
        overrides: Vec::new(),
    }
}
