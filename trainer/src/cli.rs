//! `trainer <command>`: one line here for each command; its options live beside its code.

use clap::{Parser, Subcommand};

use crate::data;

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
}

/// Runs the command line of this process.
pub fn run() -> engine::Result<()> {
    match Cli::parse().command {
        Command::Render(args) => data::render::run(&args).map(drop),
    }
}
