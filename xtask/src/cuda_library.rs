//! Builds the engine's CUDA library for the bundles.

use std::path::PathBuf;

use anyhow::{Result, ensure};

use crate::{cuda_toolkit, workspace};

const PACKAGE: &str = "luthier_engine_cuda";

/// Builds the library. Returns its path.
///
/// # Errors
/// On macOS, without a CUDA compiler, or if the build fails.
pub fn build() -> Result<PathBuf> {
    ensure!(
        !cfg!(target_os = "macos"),
        "--cuda: expected Linux or Windows, found macOS, which has no CUDA"
    );
    // A separate folder: the workspace's build without CUDA has the same file name.
    let target = workspace::target().join("cuda");
    let mut build = workspace::cargo();
    build.args(["build", "--release", "--package", PACKAGE, "--features", "cuda", "--target-dir"]);
    build.arg(&target).envs(cuda_toolkit::build_environment()?);
    ensure!(workspace::succeeds(&mut build)?, "cargo could not build the CUDA library");
    let name = format!("{}{PACKAGE}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    Ok(target.join("release").join(name))
}
