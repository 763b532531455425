//! Behaviour of a command if its output pipe is closed.
#![cfg(unix)]

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

/// Three rows of one clip, in the format of `evaluate --json`.
const TABLE: &str = r#"[
    {"name": "true target", "pieces": [0], "measures": {"LSD": {"values": [0.0]}}},
    {"name": "content copy", "pieces": [0], "measures": {"LSD": {"values": [9.0]}}},
    {"name": "Luthier, 1 step", "pieces": [0], "measures": {"LSD": {"values": [5.0]}}}
]"#;
const SIGPIPE: i32 = 13;

#[test]
fn a_closed_pipe_ends_a_command_without_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("table.json");
    std::fs::write(&table, TABLE).unwrap();
    let mut compare = Command::new(env!("CARGO_BIN_EXE_trainer"));
    compare.args(["evaluate", "compare"]).args([&table, &table]);
    let complete = compare.output().unwrap();
    assert!(
        complete.status.success()
            && String::from_utf8_lossy(&complete.stdout).contains("| Luthier, 1 step |")
    );
    let (reader, writer) = std::io::pipe().unwrap();
    // The pipe has no reader from here on.
    drop(reader);
    let closed = compare.stdout(writer).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&closed.stderr), "");
    assert_eq!(closed.status.signal(), Some(SIGPIPE));
}
