//! `cargo xtask bundle`: builds the plugin as CLAP and VST3 bundles.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use engine::library::file_name;

use crate::{cuda_library, workspace};

/// Build the plugin and write target/bundled/Luthier.clap and Luthier.vst3
#[derive(clap::Args)]
pub struct Args {
    /// No effect: the plugin is always built in release mode. Other bundlers have this option
    #[arg(long = "release")]
    _release: bool,
    /// Also build target/bundled/luthier, a program that needs no host. On Linux, the build needs
    /// ALSA's development package
    #[arg(long)]
    standalone: bool,
    /// Also build the engine's CUDA library and copy it into the bundles. The build needs nvcc or
    /// the toolkit of `cargo xtask cuda-toolkit`
    #[arg(long)]
    cuda: bool,
}

/// The plugin's name, and the file stem of its bundles.
pub const NAME: &str = "Luthier";

/// Paths of the bundles.
pub struct Bundles {
    /// The CLAP bundle: a file, or a folder on macOS.
    pub clap: PathBuf,
    /// The VST3 bundle: a folder.
    pub vst3: PathBuf,
}

impl Bundles {
    /// The binary in the VST3 bundle.
    pub fn vst3_binary(&self) -> PathBuf {
        self.vst3.join(vst3_binary())
    }

    /// Paths of the CUDA library: in the folder of the CLAP, and in that of the VST3's binary.
    fn cuda_places(&self) -> [PathBuf; 2] {
        [&self.clap, &self.vst3_binary()].map(|binary| binary.with_file_name(file_name()))
    }

    /// The CUDA library in the folder of the CLAP, if `--cuda` copied one. The VST3 bundle contains
    /// its own copy.
    pub fn cuda(&self) -> Option<PathBuf> {
        let [library, _] = self.cuda_places();
        Some(library).filter(|library| library.is_file())
    }
}

/// The folder of the bundles.
pub fn folder() -> PathBuf {
    workspace::target().join("bundled")
}

/// Builds the bundles and prints their paths.
pub fn run(args: &Args) -> Result<ExitCode> {
    let bundles = make()?;
    println!("{}", bundles.clap.display());
    println!("{}", bundles.vst3.display());
    if args.cuda {
        let library = cuda_library::build()?;
        for place in bundles.cuda_places() {
            copy(&library, &place)?;
            println!("{}", place.display());
        }
    }
    if args.standalone {
        println!("{}", standalone()?.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds the standalone program. Returns its path.
fn standalone() -> Result<PathBuf> {
    let mut build = workspace::cargo();
    build.args([
        "build",
        "--release",
        "--package",
        "plugin",
        "--bin",
        "luthier",
        "--features",
        "standalone",
    ]);
    ensure!(workspace::succeeds(&mut build)?, "cargo could not build the standalone program");
    let name = format!("luthier{}", std::env::consts::EXE_SUFFIX);
    let bundled = folder().join(&name);
    copy(&workspace::target().join("release").join(name), &bundled)?;
    Ok(bundled)
}

/// Builds the plugin and bundles it.
///
/// # Errors
/// If the build fails or a file cannot be written.
pub fn make() -> Result<Bundles> {
    // Only the plugin's package: with other packages, cargo would enable their features in shared
    // dependencies, including candle.
    let mut build = workspace::cargo();
    build.args(["build", "--release", "--package", "plugin", "--lib"]);
    ensure!(workspace::succeeds(&mut build)?, "cargo could not build the plugin");
    let name = format!("{}plugin{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let library = workspace::target().join("release").join(name);
    let bundles = Bundles {
        clap: folder().join(format!("{NAME}.clap")),
        vst3: folder().join(format!("{NAME}.vst3")),
    };
    if cfg!(target_os = "macos") {
        mac_bundle(&library, &bundles.clap)?;
        mac_bundle(&library, &bundles.vst3)?;
    } else {
        copy(&library, &bundles.clap)?;
        copy(&library, &bundles.vst3_binary())?;
    }
    Ok(bundles)
}

/// Path of the binary in a VST3 bundle, as the VST3 bundle format defines it.
fn vst3_binary() -> PathBuf {
    let arch = std::env::consts::ARCH;
    if cfg!(target_os = "windows") {
        format!("Contents/{arch}-win/{NAME}.vst3").into()
    } else {
        format!("Contents/{arch}-linux/{NAME}.so").into()
    }
}

fn mac_bundle(library: &Path, bundle: &Path) -> Result<()> {
    copy(library, &bundle.join("Contents/MacOS").join(NAME))?;
    write(&bundle.join("Contents/PkgInfo"), "BNDL????")?;
    let version = env!("CARGO_PKG_VERSION");
    let entry = |key: &str, value: &str| format!("<key>{key}</key><string>{value}</string>");
    let entries = [
        entry("CFBundleExecutable", NAME),
        entry("CFBundleIdentifier", "audio.luthier.luthier"),
        entry("CFBundleName", NAME),
        entry("CFBundlePackageType", "BNDL"),
        entry("CFBundleShortVersionString", version),
        entry("CFBundleVersion", version),
    ];
    let list = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <plist version=\"1.0\"><dict>{}</dict></plist>\n",
        entries.concat()
    );
    write(&bundle.join("Contents/Info.plist"), &list)
}

/// Copies a file. It is renamed into place at the end, because a host may have the old file open.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    let folder = to.parent().context("the target has no folder")?;
    fs::create_dir_all(folder)
        .with_context(|| format!("{}: cannot be created", folder.display()))?;
    let part = to.with_extension("part");
    fs::copy(from, &part)
        .with_context(|| format!("{} cannot be copied to {}", from.display(), part.display()))?;
    fs::rename(&part, to).with_context(|| format!("{}: cannot be written", to.display()))
}

/// Copies a file, or a folder with its content.
pub fn copy_all(from: &Path, to: &Path) -> Result<()> {
    if !from.is_dir() {
        return copy(from, to);
    }
    for entry in
        fs::read_dir(from).with_context(|| format!("{}: cannot be read", from.display()))?
    {
        let entry = entry.with_context(|| format!("{}: cannot be read", from.display()))?;
        copy_all(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("{}: cannot be written", path.display()))
}
