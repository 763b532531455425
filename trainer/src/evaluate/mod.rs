//! How near is it? Every answer is a table with baselines in it, never a single number.

pub mod distance;
pub mod vocoder;

/// What to judge.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Command {
    /// Judges the way from mel images to audio on the true target's image.
    Vocoder(vocoder::Args),
}

/// Runs one evaluation and prints its table.
pub fn run(command: &Command) -> engine::Result<()> {
    match command {
        Command::Vocoder(args) => vocoder::run(args),
    }
}
