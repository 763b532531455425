//! `cargo xtask check`: runs all checks that a change must pass. `.ci/run` calls it.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;

use crate::{test, workspace};

/// Check format, lints, documentation, architecture, tests and transfers
#[derive(clap::Args)]
pub struct Args {
    /// Run only these steps
    #[arg(value_enum)]
    steps: Vec<Step>,
}

/// The checks, in this order. Fast ones are first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Step {
    /// Format of rustfmt.
    Format,
    /// Allowed dependencies between crates.
    Architecture,
    /// Clippy on all targets; warnings are errors.
    Lint,
    /// Rustdoc; warnings are errors.
    Docs,
    /// Every test, as in `cargo xtask test`.
    Tests,
    /// Two transfers, one of them of a piece and a soundfont that training did not use.
    Transfer,
}

/// Input clips, relative to the workspace, and names of their outputs. The style is `violin`.
const CLIPS: [(&str, &str); 2] =
    [("presets/demo/piano.flac", "demo.wav"), ("tests/fixtures/unseen_piano.flac", "unseen.wav")];

/// Forbidden dependencies: a package, options of `cargo tree`, and the packages that it must not
/// depend on.
const FORBIDDEN: [(&str, &[&str], &[&str]); 9] = [
    ("engine", EVERY_EDGE, &["plugin", "trainer", "xtask", "training_kernels", "plot"]),
    ("engine", EVERY_EDGE, &["nice-plug", "nice-plug-egui", "egui", "clap", "rten"]),
    ("engine", SHIPPED, &["candle-core"]),
    ("luthier_engine_cuda", EVERY_EDGE, &["plugin", "trainer", "xtask", "training_kernels"]),
    ("plugin", EVERY_EDGE, &["trainer", "xtask", "rten", "training_kernels", "plot"]),
    ("plugin", SHIPPED, &["candle-core", "candle-nn", "luthier_engine_cuda", "image", "plotters"]),
    ("trainer", EVERY_EDGE, &["plugin", "xtask"]),
    ("training_kernels", EVERY_EDGE, &["plugin", "trainer", "xtask"]),
    ("xtask", LEAN, &["candle-core", "training_kernels", "trainer", "image", "plotters"]),
];

/// All dependencies, including those of tests.
const EVERY_EDGE: &[&str] = &["--edges", "all"];
/// Dependencies of the builds for users.
const SHIPPED: &[&str] = &["--edges", "normal,build"];
/// Dependencies of the program that the alias `cargo xtask` runs.
const LEAN: &[&str] = &["--edges", "normal,build", "--no-default-features", "--features", "lean"];

/// Runs the steps. Stops after the first failure.
pub fn run(args: &Args) -> Result<ExitCode> {
    let steps = if args.steps.is_empty() { Step::value_variants() } else { &args.steps };
    for step in steps {
        let name = format!("{step:?}").to_lowercase();
        println!("== {name}");
        let start = Instant::now();
        if !step.passes()? {
            println!("== {name}: failed");
            return Ok(ExitCode::FAILURE);
        }
        println!("== {name}: ok, {:.0} s", start.elapsed().as_secs_f64());
    }
    Ok(ExitCode::SUCCESS)
}

impl Step {
    fn passes(self) -> Result<bool> {
        let mut cargo = workspace::cargo();
        match self {
            Self::Format => workspace::succeeds(cargo.args(["fmt", "--all", "--check"])),
            Self::Architecture => architecture(),
            Self::Lint => {
                cargo.args([
                    "clippy",
                    "--release",
                    "--workspace",
                    "--all-targets",
                    "--",
                    "-D",
                    "warnings",
                ]);
                Ok(workspace::succeeds(&mut cargo)? && lint_shipped()?)
            }
            Self::Docs => {
                cargo
                    .args(["doc", "--release", "--workspace", "--no-deps"])
                    .env("RUSTDOCFLAGS", "-D warnings");
                workspace::succeeds(&mut cargo)
            }
            Self::Tests => workspace::succeeds(cargo.args(["xtask", "test"])),
            Self::Transfer => transfers(),
        }
    }
}

/// Lints the plugin and the program of the alias `cargo xtask` with their own features. In a build
/// of the whole workspace they also have the features that other packages enable.
fn lint_shipped() -> Result<bool> {
    let mut cargo = workspace::cargo();
    cargo.args(["clippy", "--release", "--package", "plugin", "--package", "xtask"]);
    cargo.args(["--no-default-features", "--features", "xtask/lean", "--", "-D", "warnings"]);
    workspace::succeeds(&mut cargo)
}

fn architecture() -> Result<bool> {
    let mut clean = true;
    for (package, options, forbidden) in FORBIDDEN {
        let mut tree = workspace::cargo();
        tree.args(["tree", "--package", package, "--prefix", "none", "--format", "{p}"]);
        tree.args(options);
        let found: Vec<String> =
            names(&mut tree)?.into_iter().filter(|n| forbidden.contains(&n.as_str())).collect();
        if !found.is_empty() {
            println!("{package} must not depend on {}", found.join(", "));
            clean = false;
        }
    }
    Ok(clean)
}

/// Package names in the output of `cargo tree`.
fn names(tree: &mut Command) -> Result<Vec<String>> {
    let output = tree.output().context("cargo tree")?;
    ensure!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).context("cargo tree")?;
    Ok(text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
}

/// Transfers both clips to a violin, then tests the written files.
fn transfers() -> Result<bool> {
    let outputs = workspace::target().join("check");
    std::fs::create_dir_all(&outputs).with_context(|| format!("{}", outputs.display()))?;
    for (clip, output) in CLIPS {
        if !transfer(clip, &outputs.join(output), &[])? {
            return Ok(false);
        }
    }
    // The build with the feature `pictures` must write the same samples.
    let [(clip, output), _] = CLIPS;
    let (plain, pictured) = (outputs.join(output), outputs.join("pictured.wav"));
    let picture = outputs.join("picture.png");
    if !transfer(clip, &pictured, &["--picture".as_ref(), picture.as_os_str()])? {
        return Ok(false);
    }
    let read = |path: &Path| std::fs::read(path).with_context(|| path.display().to_string());
    ensure!(read(&plain)? == read(&pictured)?, "--picture changed the samples");
    std::fs::remove_file(&pictured).context("the transfer with --picture")?;
    let outputs = outputs.canonicalize().context("the folder of the outputs")?;
    // `--workspace` keeps the features, and therefore the built dependencies, the same.
    let mut judge = workspace::cargo();
    judge.args(["test", "--release", "--workspace", "--test", "outputs", "--", "--show-output"]);
    test::passes(judge.env("LUTHIER_OUTPUTS", outputs))
}

fn transfer(clip: &str, output: &Path, options: &[&OsStr]) -> Result<bool> {
    let mut command = workspace::cargo();
    command.args(["xtask", "transfer", clip, "--style", "violin", "--out"]).arg(output);
    command.args(options);
    println!("{}", workspace::shown(&command));
    workspace::succeeds(&mut command)
}
