//! The subcommands of `trainer`. Their options are defined in the modules that run them.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::data::dataset::render;
use crate::data::recordings::{build, fetch};
use crate::data::soundfont::{demo, sampled, synthetic};
use crate::vggish::convert;
use crate::{ablation, evaluate, export, train};

/// Creates Luthier's models: data sets, training runs, evaluations.
#[derive(Parser)]
#[command(name = "trainer", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Render(render::Args),
    Synthesise(synthetic::Args),
    Sample(sampled::Args),
    Fetch(fetch::Args),
    BuildDataset(build::Args),
    Demo(demo::Args),
    /// Trains a model.
    Train(train::Args),
    Export(export::Args),
    ConvertVggish(convert::Args),
    Ablate(ablation::Args),
    /// Compares a model's output with the true target and with baselines.
    Evaluate(evaluate::Args),
}

/// Parses the command line of this process and runs the command. The exit code is 1 if `fetch`
/// could not download every file.
pub fn run() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Render(args) => render::run(&args).map(drop)?,
        Command::Synthesise(args) => synthetic::run(&args)?,
        Command::Sample(args) => sampled::run(&args)?,
        Command::Fetch(args) => return fetch(&args),
        Command::BuildDataset(args) => {
            build::run(&args)?.lines().iter().for_each(|line| println!("{line}"))
        }
        Command::Demo(args) => demo::run(&args)?,
        Command::Train(args) => train::run(args).map(drop)?,
        Command::Export(args) => export::run(&args)?,
        Command::ConvertVggish(args) => convert::run(&args)?,
        Command::Ablate(args) => ablation::run(&args)?,
        Command::Evaluate(args) => evaluate::run(&args)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn fetch(args: &fetch::Args) -> anyhow::Result<ExitCode> {
    let summary = fetch::run(args)?;
    summary.lines().iter().for_each(|line| println!("{line}"));
    Ok(if summary.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
