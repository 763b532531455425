//! What becomes of a command whose reader leaves.
#![cfg(unix)]

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

/// Two rows of one clip, as `evaluate --json` writes them.
const TABLE: &str = r#"[
    {"name": "true target", "pieces": [0], "measures": {"LSD": {"values": [0.0]}}},
    {"name": "content copy", "pieces": [0], "measures": {"LSD": {"values": [9.0]}}},
    {"name": "Luthier, 1 step", "pieces": [0], "measures": {"LSD": {"values": [5.0]}}}
]"#;
const SIGPIPE: i32 = 13;

#[test]
fn a_reader_that_leaves_ends_a_command_without_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("table.json");
    std::fs::write(&table, TABLE).unwrap();
    let mut compare = Command::new(env!("CARGO_BIN_EXE_trainer"));
    compare.args(["evaluate", "compare"]).args([&table, &table]);
    let whole = compare.output().unwrap();
    assert!(
        whole.status.success()
            && String::from_utf8_lossy(&whole.stdout).contains("| Luthier, 1 step |")
    );
    let (reader, writer) = std::io::pipe().unwrap();
    // Nobody reads from here on.
    drop(reader);
    let left = compare.stdout(writer).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&left.stderr), "");
    assert_eq!(left.status.signal(), Some(SIGPIPE));
}
