//! Shared by tests of several crates: paths, hosts, scores, and measures of a transfer.

pub mod allocations;
pub mod bundle;
pub mod clap_host;
pub mod equalised;
pub mod notes;
pub mod score;
pub mod signal;
pub mod spectrum;
pub mod transfer;
pub mod vggish;

use std::path::{Path, PathBuf};

/// A path in the repository.
pub fn workspace(path: impl AsRef<Path>) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Prints that a test was skipped. `cargo xtask test` shows the line.
pub fn skip(test: &str, missing: &str) {
    println!("skipped: {test}: {missing}");
}
