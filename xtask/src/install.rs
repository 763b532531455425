//! `cargo xtask install`: copies the plugin to the user's plugin folders.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use engine::library::file_name;

use crate::bundle::{self, NAME};

/// Build the plugin and copy it to the folders that hosts search
#[derive(clap::Args)]
pub struct Args {}

/// Builds and copies the bundles. Prints their new paths.
pub fn run(_: &Args) -> Result<ExitCode> {
    let (clap_folder, vst3_folder) = folders()?;
    let bundles = bundle::make()?;
    let cuda = bundles.cuda().map(|library| (library, clap_folder.join(file_name())));
    let places = [
        (bundles.clap, clap_folder.join(format!("{NAME}.clap"))),
        (bundles.vst3, vst3_folder.join(format!("{NAME}.vst3"))),
    ];
    for (from, to) in places.into_iter().chain(cuda) {
        bundle::copy_all(&from, &to)?;
        println!("{}", to.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// The plugin folders of CLAP and of VST3.
fn folders() -> Result<(PathBuf, PathBuf)> {
    let variable = if cfg!(target_os = "windows") { "COMMONPROGRAMFILES" } else { "HOME" };
    let base = std::env::var_os(variable)
        .map(PathBuf::from)
        .with_context(|| format!("{variable}: expected a folder, but it is not set"))?;
    Ok(if cfg!(target_os = "windows") {
        (base.join("CLAP"), base.join("VST3"))
    } else if cfg!(target_os = "macos") {
        let folder = base.join("Library/Audio/Plug-Ins");
        (folder.join("CLAP"), folder.join("VST3"))
    } else {
        (base.join(".clap"), base.join(".vst3"))
    })
}
