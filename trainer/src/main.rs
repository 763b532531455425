//! The trainer's command line.

use std::process::ExitCode;

/// Training makes and frees large tensors all the time: mimalloc halves the time of a step.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Whoever reads our tables may stop reading (`| head`): that ends us as it ends any other command, without a panic.
    sigpipe::reset();
    match trainer::cli::run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(2)
        }
    }
}
