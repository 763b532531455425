//! How near is it? Every answer is a table with baselines in it, never a single number.

pub mod audio;
pub mod bootstrap;
pub mod ceiling;
pub mod chroma;
pub mod distance;
pub mod envelope;
pub mod sampling;
pub mod seam;
pub mod table;
pub mod transfer;
pub mod vocoder;

/// What to judge.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Command {
    /// Judges the model's images of unseen pieces, beside baselines.
    Transfer(transfer::Args),
    /// Judges what a listener gets: whole clips through the whole chain, transcribed.
    Audio(audio::Args),
    /// Judges the way from mel images to audio on the true target's image.
    Vocoder(vocoder::Args),
}

/// Reads a count of which 0 would judge nothing.
pub fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err("expected a whole number of at least 1".into()),
    }
}

/// Runs one evaluation and prints its table.
pub fn run(command: &Command) -> engine::Result<()> {
    match command {
        Command::Transfer(args) => transfer::run(args),
        Command::Audio(args) => audio::run(args),
        Command::Vocoder(args) => vocoder::run(args),
    }
}
