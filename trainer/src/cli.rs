//! `trainer <command>`: one line here for each command; its options live beside its code.

use clap::{Parser, Subcommand};

use crate::{data, evaluate, export, train};

/// Makes Luthier's models: data sets, training runs, evaluations.
#[derive(Parser)]
#[command(name = "trainer", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Render(data::render::Args),
    Demo(data::demo::Args),
    /// Trains a model.
    Train(train::Args),
    Export(export::Args),
    /// Compares results with the truth, beside baselines.
    #[command(subcommand)]
    Evaluate(evaluate::Command),
}

/// Runs the command line of this process.
pub fn run() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Render(args) => Ok(data::render::run(&args).map(drop)?),
        Command::Demo(args) => Ok(data::demo::run(&args)?),
        Command::Train(args) => train::run(args).map(drop),
        Command::Export(args) => Ok(export::run(&args)?),
        Command::Evaluate(command) => Ok(evaluate::run(&command)?),
    }
}
