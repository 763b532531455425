//! How near is it? Every answer is a table with baselines in it, never a single number.

pub mod audio;
pub mod audio_judge;
pub mod baselines;
pub mod bootstrap;
pub mod ceiling;
pub mod chroma;
pub mod compare;
pub mod direction;
pub mod distance;
pub mod envelope;
pub mod eval_args;
pub mod figures;
pub mod model_runner;
pub mod modulation;
pub mod recordings;
pub mod report;
pub mod residual;
pub mod sampling;
pub mod seam;
pub mod table;
pub mod texture;
pub mod timbre;
pub mod transfer;
pub mod vocoder;

use std::fmt::Display;
use std::path::Path;

use clap::{ArgMatches, Command, FromArgMatches, Subcommand as _};
use engine::{Error, Result, whole_file};
use serde_json::Value;

use self::sampling::Sampling;
use self::table::Table;

/// Compares a model's results with the truth, beside baselines.
#[derive(Clone, Debug)]
pub enum Args {
    /// Everything, in one report: no word after `evaluate`.
    Report(Box<report::Args>),
    /// A part by itself.
    Part(Part),
}

/// Clap derives options or subcommands; these are options unless a subcommand is named.
impl clap::Args for Args {
    fn augment_args(command: Command) -> Command {
        let command = Part::augment_subcommands(report::Args::augment_args(command));
        command.args_conflicts_with_subcommands(true).subcommand_negates_reqs(true)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Args {
    fn from_arg_matches(matches: &ArgMatches) -> std::result::Result<Self, clap::Error> {
        match matches.subcommand_name() {
            Some(_) => Part::from_arg_matches(matches).map(Self::Part),
            None => report::Args::from_arg_matches(matches).map(Box::new).map(Self::Report),
        }
    }

    fn update_from_arg_matches(
        &mut self,
        matches: &ArgMatches,
    ) -> std::result::Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// What to judge.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Part {
    /// Judges the model's images of unseen pieces, beside baselines.
    Transfer(transfer::Args),
    /// Judges what a listener gets: whole clips through the whole chain, transcribed.
    Audio(audio::Args),
    /// Judges a model on any folder of real recordings.
    Recordings(recordings::Args),
    /// Judges the way from mel images to audio on the true target's image.
    Vocoder(vocoder::Args),
    /// Compares two evaluations of the same clips.
    Compare(compare::Args),
}

/// Reads a count of which 0 would judge nothing.
pub fn at_least_one(text: &str) -> std::result::Result<usize, String> {
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err("expected a whole number of at least 1".into()),
    }
}

/// Reads a clip's length: of less than a second there is nothing to say.
pub fn seconds(text: &str) -> std::result::Result<f32, String> {
    match text.parse() {
        Ok(seconds) if (1.0..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("expected seconds from 1 to 3600".into()),
    }
}

/// Refuses values of an option of which one is there twice.
///
/// # Errors
/// That, with the value.
pub fn distinct<T: PartialEq + Display>(option: &'static str, values: &[T]) -> Result<()> {
    match values.iter().enumerate().find(|(i, value)| values[..*i].contains(value)) {
        Some((_, twice)) => {
            Err(Error::invalid(option, "every value once", format!("{twice} twice")))
        }
        None => Ok(()),
    }
}

/// Runs an evaluation and prints its table.
///
/// # Errors
/// If a file cannot be read or written, or a network fails.
pub fn run(args: &Args) -> Result<()> {
    match args {
        Args::Report(args) => report::run(args),
        Args::Part(Part::Transfer(args)) => transfer::run(args),
        Args::Part(Part::Audio(args)) => audio::run(args),
        Args::Part(Part::Recordings(args)) => recordings::run(args),
        Args::Part(Part::Vocoder(args)) => vocoder::run(args),
        Args::Part(Part::Compare(args)) => compare::run(args),
    }
}

/// What the row of so many DDIM steps is called.
pub fn row_name(steps: usize) -> String {
    if steps == 1 { "Luthier, 1 step".into() } else { format!("Luthier, {steps} steps") }
}

/// Prints a table below what it is of, and writes its figures where they are asked for.
fn publish(table: &Table, of: &str, sampling: &Sampling, json: Option<&Path>) -> Result<()> {
    let Sampling { temperature, guidance, .. } = sampling;
    println!("{} {of}, temperature {temperature}, guidance {guidance}\n", table.len());
    println!("{}", table.markdown());
    json.map_or(Ok(()), |path| write_json(path, &table.json()))
}

/// Writes a table's figures; their folder is made, for they took too long to be lost for the want
/// of one.
pub fn write_json(path: &Path, value: &Value) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|e| Error::file(folder, e))?;
    }
    whole_file::write(path, format!("{value:#}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_would_judge_nothing_or_twice_are_refused_by_name() {
        assert_eq!((seconds("8"), seconds("1.5")), (Ok(8.0), Ok(1.5)));
        for text in ["0", "-3", "NaN", "inf", "0.2", "eight"] {
            assert!(seconds(text).unwrap_err().contains("1 to 3600"), "{text}");
        }
        assert!(at_least_one("0").is_err());
        distinct("--steps", &[1, 2, 10]).unwrap();
        let sentence = distinct("--steps", &[1, 2, 1]).unwrap_err().to_string();
        assert!(sentence.contains("--steps") && sentence.contains("1 twice"), "{sentence}");
    }
}
