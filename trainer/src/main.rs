//! The trainer's command line.

use std::process::ExitCode;

/// Training makes and frees large tensors all the time: mimalloc halves the time of a step.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Whoever reads our tables may stop reading (`| head`): that ends us as it ends any other
    // command, without a panic.
    sigpipe::reset();
    wait_asleep();
    match trainer::cli::run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(2)
        }
    }
}

/// candle's own threads spin for a while after each operation, on the cores that our convolutions
/// then want: a step of training takes a tenth less where they sleep soon.
fn wait_asleep() {
    const SPINS: &str = "CANDLE_BARRIER_POOL_SPIN_LIMIT";
    if std::env::var_os(SPINS).is_none() {
        // SAFETY: no other thread runs yet.
        unsafe { std::env::set_var(SPINS, "50") };
    }
}
