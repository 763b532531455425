//! Evaluation of models: tables that contain baselines.

pub mod audio;
pub mod audio_judge;
pub mod baselines;
pub mod bootstrap;
pub mod ceiling;
pub mod chroma;
pub mod compare;
pub mod date;
pub mod direction;
pub mod distance;
pub mod envelope;
pub mod eval_args;
pub mod figures;
pub mod model_runner;
pub mod modulation;
pub mod noise;
pub mod octaves;
pub mod recordings;
pub mod report;
pub mod report_page;
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

/// Compares a model's output with the true target and with baselines.
#[derive(Clone, Debug)]
pub enum Args {
    /// The complete report: `evaluate` without a subcommand.
    Report(Box<report::Args>),
    /// A single part of the report.
    Part(Box<Part>),
}

/// Implemented by hand, because clap's derive has no options that a subcommand replaces.
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
            Some(_) => Part::from_arg_matches(matches).map(Box::new).map(Self::Part),
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

/// Part of an evaluation.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Part {
    /// Evaluates the model's images of test pieces, with baselines.
    Transfer(transfer::Args),
    /// Evaluates audio clips of the complete chain, with transcription.
    Audio(audio::Args),
    /// Evaluates a model on any folder of recordings.
    Recordings(recordings::Args),
    /// Evaluates the step from mel image to audio.
    Vocoder(vocoder::Args),
    /// Evaluates level and fundamental of notes from A0 to C8, by octave.
    Octaves(octaves::Args),
    /// Compares two evaluations of the same clips.
    Compare(compare::Args),
}

/// Parses a count of at least 1.
pub fn at_least_one(text: &str) -> std::result::Result<usize, String> {
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err("expected a whole number of at least 1".into()),
    }
}

/// Parses a clip length of 1 to 3600 seconds.
pub fn seconds(text: &str) -> std::result::Result<f32, String> {
    match text.parse() {
        Ok(seconds) if (1.0..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("expected seconds from 1 to 3600".into()),
    }
}

/// Checks that no value of an option is repeated.
///
/// # Errors
/// If a value is repeated.
pub fn distinct<T: PartialEq + Display>(option: &'static str, values: &[T]) -> Result<()> {
    match values.iter().enumerate().find(|(i, value)| values[..*i].contains(value)) {
        Some((_, twice)) => Err(Error::invalid(option, "unique values", format!("{twice} twice"))),
        None => Ok(()),
    }
}

/// Runs an evaluation and prints its table.
///
/// # Errors
/// If a file cannot be read or written, or a network fails.
pub fn run(args: &Args) -> Result<()> {
    let part = match args {
        Args::Report(args) => return report::run(args),
        Args::Part(part) => part.as_ref(),
    };
    match part {
        Part::Transfer(args) => transfer::run(args),
        Part::Audio(args) => audio::run(args),
        Part::Recordings(args) => recordings::run(args),
        Part::Vocoder(args) => vocoder::run(args),
        Part::Octaves(args) => octaves::run(args),
        Part::Compare(args) => compare::run(args),
    }
}

/// Name of the row with this number of DDIM steps.
pub fn row_name(steps: usize) -> String {
    if steps == 1 { "Luthier, 1 step".into() } else { format!("Luthier, {steps} steps") }
}

/// Prints a table with a title, and writes its JSON if `json` is set.
fn publish(table: &Table, title: &str, sampling: &Sampling, json: Option<&Path>) -> Result<()> {
    let Sampling { temperature, guidance, .. } = sampling;
    println!("{} {title}, temperature {temperature}, guidance {guidance}\n", table.len());
    println!("{}", table.markdown());
    json.map_or(Ok(()), |path| write_json(path, &table.json()))
}

/// Writes a table as JSON and creates its folder if necessary.
///
/// # Errors
/// If the file cannot be written.
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
    fn empty_and_repeated_options_are_refused_by_name() {
        assert_eq!((seconds("8"), seconds("1.5")), (Ok(8.0), Ok(1.5)));
        for text in ["0", "-3", "NaN", "inf", "0.2", "eight"] {
            assert!(seconds(text).unwrap_err().contains("1 to 3600"), "{text}");
        }
        assert!(at_least_one("0").is_err());
        distinct("--steps", &[1, 2, 10]).unwrap();
        let message = distinct("--steps", &[1, 2, 1]).unwrap_err().to_string();
        assert!(message.contains("--steps") && message.contains("1 twice"), "{message}");
    }
}
