//! `cargo xtask check`: everything that must hold before a change is taken. `.ci/run` is this.

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

/// Crates that must not appear among another's dependencies.
const FORBIDDEN: [(&str, &[&str]); 4] = [
    (
        "engine",
        &["plugin", "trainer", "xtask", "nice-plug", "nice-plug-egui", "egui", "clap", "rten"],
    ),
    ("luthier_engine_cuda", &["plugin", "trainer", "xtask"]),
    ("plugin", &["trainer", "xtask", "rten"]),
    ("trainer", &["plugin", "xtask"]),
];

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
                workspace::succeeds(&mut cargo)
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

fn architecture() -> Result<bool> {
    let mut clean = true;
    for (package, forbidden) in FORBIDDEN {
        let mut tree = workspace::cargo();
        tree.args(["tree", "--package", package, "--edges", "all", "--prefix", "none"]);
        tree.args(["--format", "{p}"]);
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
        if !transfer(clip, &outputs.join(output))? {
            return Ok(false);
        }
    }
    let outputs = outputs.canonicalize().context("the outputs' folder")?;
    // The whole workspace is named so that features, and with them the built dependencies, stay the
    // same.
    let mut judge = workspace::cargo();
    judge.args(["test", "--release", "--workspace", "--test", "outputs", "--", "--show-output"]);
    test::passes(judge.env("LUTHIER_OUTPUTS", outputs))
}

fn transfer(clip: &str, output: &Path) -> Result<bool> {
    let mut command = workspace::cargo();
    command.args(["xtask", "transfer", clip, "--style", "violin", "--out"]).arg(output);
    println!("{}", workspace::shown(&command));
    workspace::succeeds(&mut command)
}
