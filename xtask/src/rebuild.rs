//! Commands that need a feature of this program. Cargo builds the program with the feature and runs
//! it.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::workspace;

/// Arguments for the program with the feature.
#[derive(clap::Args)]
pub struct Args {
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    _arguments: Vec<OsString>,
}

/// Runs the command line of this process in a build with `feature`.
///
/// # Errors
/// If cargo cannot be started.
pub fn run(feature: &str) -> Result<ExitCode> {
    // The working directory does not change: paths on the command line are relative to it.
    let mut cargo = Command::new(workspace::cargo_program());
    cargo.args(["run", "--quiet", "--release", "--manifest-path"]);
    cargo.arg(workspace::root().join("xtask").join("Cargo.toml"));
    cargo.args(["--bin", "xtask_full", "--no-default-features", "--features", feature, "--"]);
    cargo.args(std::env::args_os().skip(1));
    eprintln!("note: cargo first builds the tools with the feature `{feature}`");
    let status = cargo
        .status()
        .with_context(|| format!("`{}` could not be started", workspace::shown(&cargo)))?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}
