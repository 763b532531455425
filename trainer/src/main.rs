//! The trainer's command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    match trainer::cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}
