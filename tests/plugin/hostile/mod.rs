//! Hosts that violate the specification, each in its own process. The process must end normally.

// These hosts violate safety contracts on purpose, so SAFETY comments would be meaningless.
#![allow(clippy::undocumented_unsafe_blocks)]

mod clap;
mod clap_raw;
mod vst3;
mod vst3_com;
mod vst3_raw;

use std::process::Command;

/// Name of the variable with the case of a child process.
const CASE: &str = "LUTHIER_HOSTILE_CASE";

/// One violation.
struct Case {
    name: &'static str,
    run: fn(),
}

/// Runs every case in a child process and collects the failures.
fn run_all(test: &str, cases: &[Case]) {
    if let Ok(name) = std::env::var(CASE) {
        let case = cases.iter().find(|case| case.name == name).expect("a case of this name");
        (case.run)();
        // Skips code after `main`, which does not concern the plugin.
        std::process::exit(0);
    }
    let program = std::env::current_exe().expect("this program");
    let mut failed = Vec::new();
    for case in cases {
        let output = Command::new(&program)
            .args(["--exact", test, "--nocapture", "--test-threads", "1"])
            .env(CASE, case.name)
            // Short windows, so that the worker runs in every case.
            .env("LUTHIER_WINDOW_FRAMES", "16")
            .output()
            .expect("a child process");
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            failed.push(format!("{}: {}\n{stderr}", case.name, output.status));
        }
    }
    assert!(failed.is_empty(), "{} of {} cases:\n{}", failed.len(), cases.len(), failed.join("\n"));
}
