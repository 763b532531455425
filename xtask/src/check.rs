//! `cargo xtask check`: everything that must hold before a change is taken. `.ci/run` is this.

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
    /// Only these steps
    #[arg(value_enum)]
    steps: Vec<Step>,
}

/// What is checked, in this order: what fails fast comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Step {
    /// Every file is as rustfmt writes it.
    Format,
    /// Which crate may know which.
    Architecture,
    /// clippy on all targets, warnings are errors.
    Lint,
    /// rustdoc, warnings are errors.
    Docs,
    /// Every test, as the README runs them.
    Tests,
    /// The README's transfer, and one of a piece and soundfont that training never saw.
    Transfer,
}

/// Clips, relative to the workspace, that are turned into violins, and the names of their outputs.
const CLIPS: [(&str, &str); 2] =
    [("presets/demo/piano.flac", "demo.wav"), ("tests/fixtures/unseen_piano.flac", "unseen.wav")];

/// Packages that must not be among another's dependencies: its name, options of `cargo tree`, and
/// the packages. Options without `dev` list what is shipped.
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

/// All dependencies, those of tests too.
const EVERY_EDGE: &[&str] = &["--edges", "all"];
/// What is built for users.
const SHIPPED: &[&str] = &["--edges", "normal,build"];
/// The program of the alias `cargo xtask`.
const LEAN: &[&str] = &["--edges", "normal,build", "--no-default-features", "--features", "lean"];

/// Runs the steps and stops at the first that fails.
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
                Ok(workspace::succeeds(&mut cargo)? && lint_of_what_is_shipped()?)
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

/// The plugin and the program of the alias `cargo xtask` with the features that they are built
/// with: in the whole workspace they have those of other packages too.
fn lint_of_what_is_shipped() -> Result<bool> {
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

/// The package names that `cargo tree` prints.
fn names(tree: &mut Command) -> Result<Vec<String>> {
    let output = tree.output().context("cargo tree")?;
    ensure!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).context("cargo tree")?;
    Ok(text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
}

/// Runs the README's command on both clips, then lets the tests judge the files that it wrote.
fn transfers() -> Result<bool> {
    let outputs = workspace::target().join("check");
    std::fs::create_dir_all(&outputs).with_context(|| format!("{}", outputs.display()))?;
    for (clip, output) in CLIPS {
        if !transfer(clip, &outputs.join(output), &[])? {
            return Ok(false);
        }
    }
    // The build with pictures writes the same samples.
    let [(clip, output), _] = CLIPS;
    let (plain, pictured) = (outputs.join(output), outputs.join("pictured.wav"));
    let picture = outputs.join("picture.png");
    if !transfer(clip, &pictured, &["--picture".as_ref(), picture.as_os_str()])? {
        return Ok(false);
    }
    let read = |path: &Path| std::fs::read(path).with_context(|| path.display().to_string());
    ensure!(read(&plain)? == read(&pictured)?, "--picture changed the samples");
    std::fs::remove_file(&pictured).context("the transfer with a picture")?;
    let outputs = outputs.canonicalize().context("the outputs' folder")?;
    // The whole workspace is named so that features, and with them the built dependencies, stay the
    // same.
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
