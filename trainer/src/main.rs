//! The trainer's command line.

use std::process::ExitCode;

/// Training allocates large tensors in every step: `docs/decisions/014-mimalloc.md`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // A closed pipe (`| head`) ends the process without a panic, like other commands.
    sigpipe::reset();
    limit_spinning();
    match trainer::cli::run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(2)
        }
    }
}

/// Limits how long candle's idle threads spin, because they occupy cores that our convolutions
/// need: `docs/decisions/042-cpu-training-step.md`.
fn limit_spinning() {
    const SPINS: &str = "CANDLE_BARRIER_POOL_SPIN_LIMIT";
    if std::env::var_os(SPINS).is_none() {
        // SAFETY: this thread is the only one.
        unsafe { std::env::set_var(SPINS, "50") };
    }
}
