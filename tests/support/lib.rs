//! What the tests of several crates share: where files lie, scores, and measures of what a transfer
//! kept and changed.

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

/// Says in one line that a test could not run here; `cargo xtask test` shows it.
pub fn skip(test: &str, lacking: &str) {
    println!("skipped: {test}: {lacking}");
}
