//! `cargo xtask cuda-toolkit`: assembles a CUDA_HOME from NVIDIA's Python wheels, for machines
//! without a CUDA toolkit.
//!
//! A build with `--features cuda` needs nvcc and libraries to link with, but no GPU. The wheels
//! contain both. Links create the file names and folders that build scripts search.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};

use crate::workspace;

/// Assemble a CUDA_HOME in target/cuda-toolkit from NVIDIA's Python wheels
#[derive(clap::Args)]
pub struct Args {
    /// Python with the pip that downloads the wheels
    #[arg(long, default_value = "python3")]
    python: String,
}

/// CUDA 13.0, because drivers of series 580 reject the PTX of later compilers. `curand` has its own
/// version numbers.
const WHEELS: [&str; 8] = [
    "nvidia-cuda-nvcc==13.0.*",
    "nvidia-cuda-crt==13.0.*",
    "nvidia-nvvm==13.0.*",
    "nvidia-cuda-cccl==13.0.*",
    "nvidia-cuda-runtime==13.0.*",
    "nvidia-cublas==13.0.*",
    "nvidia-cuda-nvrtc==13.0.*",
    "nvidia-curand",
];

/// Compute capability 8.0: the code runs on Ampere and later GPUs.
const COMPUTE_CAPABILITY: &str = "80";

/// Downloads the wheels, creates the links and prints the environment.
pub fn run(args: &Args) -> Result<ExitCode> {
    ensure!(cfg!(target_os = "linux"), "expected Linux, found {}", std::env::consts::OS);
    let folder = folder();
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("{} cannot be written", folder.display()))?;
    let folder = folder.canonicalize().context("the toolkit's folder")?;
    install(&args.python, &folder)?;
    let home = folder.join("nvidia/cu13");
    ensure!(
        home.join("bin/nvcc").exists(),
        "expected nvcc at {}, found none",
        home.join("bin/nvcc").display()
    );
    link_libraries(&home)?;
    make_driver_stub(&home)?;
    print_environment(&home);
    Ok(ExitCode::SUCCESS)
}

/// The toolkit's folder.
fn folder() -> PathBuf {
    workspace::target().join("cuda-toolkit")
}

fn install(python: &str, folder: &Path) -> Result<()> {
    let has_pip = Command::new(python).args(["-m", "pip", "--version"]).output();
    if !has_pip.is_ok_and(|output| output.status.success()) {
        bail!(
            "expected Python with pip as `{python}`, found none \
             (install python3-pip or use --python)"
        );
    }
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "install", "--quiet", "--upgrade", "--no-deps", "--target"])
        .arg(folder)
        .args(WHEELS);
    ensure!(
        workspace::succeeds(&mut pip)?,
        "pip could not download the CUDA wheels (see its message above)"
    );
    Ok(())
}

/// Creates `lib64`, which contains every library under its unversioned name.
fn link_libraries(home: &Path) -> Result<()> {
    let lib64 = home.join("lib64");
    std::fs::create_dir_all(lib64.join("stubs"))?;
    for entry in std::fs::read_dir(home.join("lib")).context("the libraries of the wheels")? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        link(&path, &lib64.join(&name))?;
        if let Some((stem, _)) = name.split_once(".so.") {
            link(&path, &lib64.join(format!("{stem}.so")))?;
        }
    }
    Ok(())
}

fn link(original: &Path, link: &Path) -> Result<()> {
    if link.symlink_metadata().is_ok() {
        std::fs::remove_file(link)?;
    }
    #[cfg(unix)]
    std::os::unix::fs::symlink(original, link)
        .with_context(|| format!("link {}", link.display()))?;
    #[cfg(not(unix))]
    std::fs::copy(original, link).with_context(|| format!("copy {}", link.display()))?;
    Ok(())
}

/// Creates a `libcuda.so` for linking only: every function of the driver's header fails.
fn make_driver_stub(home: &Path) -> Result<()> {
    let header = std::fs::read_to_string(home.join("include/cuda.h"))
        .context("the driver's header cuda.h")?;
    let source = home.join("lib64/stubs/libcuda.c");
    std::fs::write(&source, stub_source(&header))?;
    let stub = home.join("lib64/stubs/libcuda.so");
    let mut compiler = Command::new("cc");
    compiler
        .args(["-shared", "-fPIC", "-w", "-Wl,-soname,libcuda.so.1", "-o"])
        .arg(&stub)
        .arg(&source);
    ensure!(
        workspace::succeeds(&mut compiler)?,
        "expected a C compiler as `cc` to build {}",
        stub.display()
    );
    link(&stub, &home.join("lib64/stubs/libcuda.so.1"))
}

/// C source with one function for each name of the form `cuName`. It returns 999,
/// `CUDA_ERROR_UNKNOWN`.
fn stub_source(header: &str) -> String {
    let words = header.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let is_function = |word: &&str| {
        word.strip_prefix("cu")
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
    };
    let names: BTreeSet<&str> = words.filter(is_function).collect();
    names.iter().map(|name| format!("int {name}(void) {{ return 999; }}\n")).collect()
}

/// Environment variables of a build, except `PATH`.
fn environment(home: &Path) -> [(&'static str, String); 5] {
    let show = |path: PathBuf| path.display().to_string();
    [
        ("CUDA_HOME", show(home.into())),
        ("CUDA_PATH", show(home.into())),
        ("NVCC", show(home.join("bin/nvcc"))),
        (
            "LIBRARY_PATH",
            format!("{}:{}", show(home.join("lib64")), show(home.join("lib64/stubs"))),
        ),
        ("CUDA_COMPUTE_CAP", COMPUTE_CAPABILITY.into()),
    ]
}

fn print_environment(home: &Path) {
    for (name, value) in environment(home) {
        println!("export {name}={value}");
    }
    println!("export PATH=$CUDA_HOME/bin:$PATH");
    println!("export LD_LIBRARY_PATH=$CUDA_HOME/lib64:$LD_LIBRARY_PATH");
}

/// Variables that a build with CUDA needs in addition to this program's environment. If nvcc is not
/// found there, they point to the toolkit of this command.
///
/// # Errors
/// If there is neither nvcc nor that toolkit.
pub fn build_environment() -> Result<Vec<(&'static str, OsString)>> {
    let is_set = |name| std::env::var_os(name).is_some();
    if is_set("NVCC") || Command::new("nvcc").arg("--version").output().is_ok() {
        // Otherwise candle queries the GPU, and the machine may have none.
        let capability = [("CUDA_COMPUTE_CAP", COMPUTE_CAPABILITY.into())];
        return Ok(capability.into_iter().filter(|(name, _)| !is_set(name)).collect());
    }
    let home = folder().join("nvidia/cu13");
    ensure!(
        home.join("bin/nvcc").is_file(),
        "--cuda: expected the CUDA compiler nvcc on the PATH, found none \
         (run `cargo xtask cuda-toolkit`)"
    );
    let home = home.canonicalize().context("the toolkit's folder")?;
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let path = std::iter::once(home.join("bin")).chain(std::env::split_paths(&inherited));
    let path = std::env::join_paths(path).context("the toolkit's folder")?;
    let environment = environment(&home).map(|(name, value)| (name, value.into()));
    Ok(environment.into_iter().chain([("PATH", path)]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stub_has_every_function_once() {
        let header = "#define cuMemAlloc cuMemAlloc_v2\n\
            CUresult CUDAAPI cuInit(unsigned int Flags); /* see cuInit */ cuda";
        let source = stub_source(header);
        let names: Vec<&str> =
            source.lines().filter_map(|l| l.strip_prefix("int ")?.split('(').next()).collect();
        assert_eq!(names, ["cuInit", "cuMemAlloc", "cuMemAlloc_v2"]);
    }
}
