//! `cargo xtask screenshots`: draws the plugin's editor in every state, without a screen.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::workspace;

/// Draw the plugin's editor in every state
#[derive(clap::Args)]
pub struct Args {
    /// Folder for the pictures
    #[arg(long, value_name = "DIR", default_value = "docs/editor")]
    out: PathBuf,
}

/// Runs the editor's test, which writes its pictures to the folder.
pub fn run(args: &Args) -> Result<ExitCode> {
    let folder =
        std::path::absolute(&args.out).with_context(|| format!("--out {}", args.out.display()))?;
    let mut command = workspace::cargo();
    command.args([
        "test",
        "--release",
        "--workspace",
        "--lib",
        "--",
        "editor::tests::it_shows_every_state",
    ]);
    command.env("LUTHIER_SCREENSHOTS", &folder);
    if !workspace::succeeds(&mut command)? {
        return Ok(ExitCode::FAILURE);
    }
    println!("The pictures are in {}.", folder.display());
    Ok(ExitCode::SUCCESS)
}
