//! `cargo xtask dist`: the archive that a user downloads.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use engine::checkpoint::sha256_hex;
use engine::library::file_name;

use crate::bundle::{self, NAME};
use crate::workspace;

/// Build the plugin and pack what a user downloads: bundles (with CUDA where `bundle --cuda` made
/// it), licence, model card with its pictures, checksums (target/dist)
#[derive(clap::Args)]
pub struct Args {}

/// Makes the archive and says where.
pub fn run(_: &Args) -> Result<ExitCode> {
    let bundles = bundle::make()?;
    let version = env!("CARGO_PKG_VERSION");
    let name = format!("luthier-{version}-{}-{}", std::env::consts::OS, std::env::consts::ARCH);
    let dist = workspace::target().join("dist");
    let folder = dist.join(&name);
    if folder.exists() {
        fs::remove_dir_all(&folder)
            .with_context(|| format!("{}: cannot be removed", folder.display()))?;
    }
    bundle::copy_all(&bundles.clap, &folder.join(format!("{NAME}.clap")))?;
    bundle::copy_all(&bundles.vst3, &folder.join(format!("{NAME}.vst3")))?;
    if let Some(library) = bundles.cuda() {
        bundle::copy(&library, &folder.join(file_name()))?;
    }
    bundle::copy(&workspace::root().join("LICENSE"), &folder.join("LICENSE"))?;
    // Where they lie in the repository: the card's links hold.
    bundle::copy(
        &workspace::presets("MODEL_CARD.md"),
        &folder.join("presets").join("MODEL_CARD.md"),
    )?;
    bundle::copy_all(
        &workspace::root().join("docs").join("model"),
        &folder.join("docs").join("model"),
    )?;
    checksums(&folder)?;
    let archive = dist.join(format!("{name}.tar.gz"));
    let mut tar = Command::new("tar");
    tar.arg("-czf").arg(&archive).arg("-C").arg(&dist).arg(&name);
    ensure!(workspace::succeeds(&mut tar)?, "{}: `tar` could not write it", archive.display());
    println!("{}", archive.display());
    Ok(ExitCode::SUCCESS)
}

/// Writes SHA256SUMS of all files in a folder, in the order of their names, as `sha256sum --check`
/// reads it.
fn checksums(folder: &Path) -> Result<()> {
    let mut files = Vec::new();
    list(folder, &mut files)?;
    files.sort();
    let mut lines = String::new();
    for file in files {
        let bytes =
            fs::read(&file).with_context(|| format!("{}: cannot be read", file.display()))?;
        let name = file.strip_prefix(folder).context("a file of the folder")?;
        lines += &format!("{}  {}\n", sha256_hex(&bytes), name.display());
    }
    let path = folder.join("SHA256SUMS");
    fs::write(&path, lines).with_context(|| format!("{}: cannot be written", path.display()))
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in
        fs::read_dir(folder).with_context(|| format!("{}: cannot be read", folder.display()))?
    {
        let path = entry.with_context(|| format!("{}: cannot be read", folder.display()))?.path();
        if path.is_dir() { list(&path, files)? } else { files.push(path) }
    }
    Ok(())
}
