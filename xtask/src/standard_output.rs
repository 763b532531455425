//! Standard output. It can be a full disk, and `println!` would panic.

use std::fmt::Arguments;
use std::io::Write;

use anyhow::{Context, Result};

/// Prints a line.
///
/// # Errors
/// If standard output cannot be written.
pub fn print(line: Arguments) -> Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}").and_then(|()| output.flush()).context("standard output")
}
