//! `cargo xtask test`: runs every test of the workspace. Each skipped test prints one line.

use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result};

use crate::workspace;

/// Run every test of the workspace. The tests need no GPU, Python, screen or network
#[derive(clap::Args)]
pub struct Args {
    /// Arguments for the test programs, for example a part of a test's name
    #[arg(last = true)]
    filter: Vec<String>,
}

/// Runs the tests.
pub fn run(args: &Args) -> Result<ExitCode> {
    let mut command = workspace::cargo();
    command
        .args(["test", "--release", "--workspace", "--no-fail-fast", "--", "--show-output"])
        .args(&args.filter);
    Ok(if passes(&mut command)? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs `cargo test -- --show-output` and prints its output. From the output of passed tests, it
/// prints only the lines that start with `skipped:` or `measured:`. Returns whether all passed.
pub fn passes(command: &mut Command) -> Result<bool> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("`{}` could not be started", workspace::shown(command)))?;
    let stdout = child.stdout.take().context("cargo's output")?;
    let mut filter = Filter::default();
    for line in BufReader::new(stdout).lines() {
        let line = line.context("cargo's output")?;
        if filter.shows(&line) {
            println!("{line}");
        }
    }
    Ok(child.wait().context("cargo")?.success())
}

/// Selects the printed lines of the test harness's output.
#[derive(Default)]
struct Filter {
    /// Inside the section with the output of passed tests.
    in_successes: bool,
}

impl Filter {
    fn shows(&mut self, line: &str) -> bool {
        if line == "successes:" {
            self.in_successes = true;
        } else if line == "failures:" || line.starts_with("test result:") {
            self.in_successes = false;
        }
        !self.in_successes || line.starts_with("skipped:") || line.starts_with("measured:")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_of_passed_tests_is_hidden_except_skips_and_measurements() {
        let output = "\
running 2 tests
test a ... ok
test b ... FAILED

successes:

---- a stdout ----
chatter
skipped: a: no GPU on this machine
measured: a: 3 notes

successes:
    a

failures:

---- b stdout ----
reason

test result: FAILED. 1 passed; 1 failed";
        let mut filter = Filter::default();
        let shown: Vec<&str> = output.lines().filter(|line| filter.shows(line)).collect();
        assert!(shown.contains(&"skipped: a: no GPU on this machine"));
        assert!(shown.contains(&"measured: a: 3 notes"));
        assert!(shown.contains(&"reason") && shown.contains(&"test a ... ok"));
        assert!(!shown.contains(&"chatter") && !shown.contains(&"    a"));
        assert_eq!(shown.last(), Some(&"test result: FAILED. 1 passed; 1 failed"));
    }
}
