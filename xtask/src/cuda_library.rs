//! The engine's CUDA library, built for bundles.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use engine::library::file_name;

use crate::bundle::{Bundles, copy};
use crate::{cuda_toolkit, workspace};

const PACKAGE: &str = "luthier_engine_cuda";

/// Builds the library and puts it into the bundles, beside each plugin's binary.
///
/// # Errors
/// If there is no compiler for CUDA, the build fails or a file cannot be written.
pub fn add_to(bundles: &Bundles) -> Result<[PathBuf; 2]> {
    ensure!(!cfg!(target_os = "macos"), "--cuda: expected Linux or Windows, found macOS, which has no CUDA");
    let library = build()?;
    let beside = |binary: &Path| binary.with_file_name(file_name());
    let places = [beside(&bundles.clap), beside(&bundles.vst3_binary())];
    for place in &places {
        copy(&library, place)?;
    }
    Ok(places)
}

fn build() -> Result<PathBuf> {
    // A folder of its own: the workspace's build without CUDA has the same name.
    let target = workspace::target().join("cuda");
    let mut build = workspace::cargo();
    build.args(["build", "--release", "--package", PACKAGE, "--features", "cuda", "--target-dir"]);
    build.arg(&target).envs(cuda_toolkit::build_environment()?);
    ensure!(workspace::succeeds(&mut build)?, "the CUDA library could not be built");
    let name = format!("{}{PACKAGE}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    Ok(target.join("release").join(name))
}
