//! Hosts that break the rules, each in a process of its own: whatever they do, the process ends as
//! they want it to.

// Breaking the rules is the point: there is nothing to say beside each call about why it were safe.
#![allow(clippy::undocumented_unsafe_blocks)]

mod clap;
mod clap_raw;
mod vst3;
mod vst3_com;
mod vst3_raw;

use std::process::Command;

/// Names the case that a child process plays.
const CASE: &str = "LUTHIER_HOSTILE_CASE";

/// One way of breaking the rules.
struct Case {
    name: &'static str,
    play: fn(),
}

/// Plays every case in a child and collects those that did not survive.
fn play_all(test: &str, cases: &[Case]) {
    if let Ok(wanted) = std::env::var(CASE) {
        let case = cases.iter().find(|case| case.name == wanted).expect("a case of this name");
        (case.play)();
        // Whatever runs after `main` has nothing to do with the plugin.
        std::process::exit(0);
    }
    let program = std::env::current_exe().expect("this program");
    let mut fallen = Vec::new();
    for case in cases {
        let output = Command::new(&program)
            .args(["--exact", test, "--nocapture", "--test-threads", "1"])
            .env(CASE, case.name)
            // Short windows: the worker has something to do in every case.
            .env("LUTHIER_WINDOW_FRAMES", "16")
            .output()
            .expect("a child process");
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            fallen.push(format!("{}: {}\n{stderr}", case.name, output.status));
        }
    }
    assert!(fallen.is_empty(), "{} of {} cases:\n{}", fallen.len(), cases.len(), fallen.join("\n"));
}
