//! How near is it? Every answer is a table with baselines in it, never a single number.

pub mod distance;
pub mod transfer;
pub mod vocoder;

/// What to judge.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Command {
    /// Judges what the model makes of unseen pieces, beside baselines.
    Transfer(transfer::Args),
    /// Judges the way from mel images to audio on the true target's image.
    Vocoder(vocoder::Args),
}

/// Runs one evaluation and prints its table.
pub fn run(command: &Command) -> engine::Result<()> {
    match command {
        Command::Transfer(args) => transfer::run(args),
        Command::Vocoder(args) => vocoder::run(args),
    }
}
