//! `cargo xtask dist`: packs the archive that users download.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use engine::checkpoint::sha256_hex;
use engine::library::file_name;

use crate::bundle::{self, NAME};
use crate::workspace;

/// Build the plugin and pack an archive for users into target/dist
///
/// It contains the bundles, the CUDA library if `bundle --cuda` built it, licences, documents, the
/// model card and checksums.
#[derive(clap::Args)]
pub struct Args {}

/// Files and folders that the archive contains at the same relative paths, so that the links of the
/// documents hold.
const DOCUMENTS: [&str; 9] = [
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "docs",
    "presets/MODEL_CARD.md",
    "presets/recipe",
];

/// Writes the archive and prints its path.
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
    for document in DOCUMENTS {
        bundle::copy_all(&workspace::root().join(document), &folder.join(document))?;
    }
    checksums(&folder)?;
    let archive = dist.join(format!("{name}.tar.gz"));
    let mut tar = Command::new("tar");
    tar.arg("-czf").arg(&archive).arg("-C").arg(&dist).arg(&name);
    ensure!(
        workspace::succeeds(&mut tar)?,
        "{}: `tar` failed (see its message above)",
        archive.display()
    );
    println!("{}", archive.display());
    Ok(ExitCode::SUCCESS)
}

/// Writes SHA256SUMS for all files in a folder, sorted by path, in the format of
/// `sha256sum --check`.
fn checksums(folder: &Path) -> Result<()> {
    let mut files = Vec::new();
    list(folder, &mut files)?;
    files.sort();
    let mut lines = String::new();
    for file in files {
        let bytes =
            fs::read(&file).with_context(|| format!("{}: cannot be read", file.display()))?;
        let name = file.strip_prefix(folder).context("the file is outside the folder")?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_link_of_the_model_card_is_in_the_archive() {
        let root = workspace::root().canonicalize().expect("the workspace");
        let documents = DOCUMENTS.map(|document| root.join(document));
        for document in &documents {
            assert!(document.exists(), "{}: missing", document.display());
        }
        let card = fs::read_to_string(workspace::presets("MODEL_CARD.md")).expect("the card");
        let links = card.split("](").skip(1).filter_map(|text| text.split([')', '#']).next());
        for link in links.filter(|link| !link.is_empty() && !link.starts_with("http")) {
            let path = workspace::presets(link).canonicalize().expect(link);
            assert!(documents.iter().any(|document| path.starts_with(document)), "{link}");
        }
    }
}
