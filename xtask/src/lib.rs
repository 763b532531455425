//! Luthier's command line: `cargo xtask <command>`.
//!
//! Each command has its own module. Invalid input causes one sentence on standard error and exit
//! code 2. A failed check or test causes exit code 1.

#[cfg(feature = "bench")]
mod bench;
mod bundle;
mod check;
mod choices;
mod cuda_library;
mod cuda_toolkit;
mod dist;
mod generate;
mod inspect;
mod install;
mod interrupt;
mod model;
mod output;
#[cfg(feature = "pictures")]
mod picture;
mod progress;
#[cfg(not(feature = "bench"))]
mod rebuild;
mod save_style;
mod screenshots;
mod sidechain;
mod standard_output;
mod style;
mod test;
mod transfer;
mod transfer_folder;
mod validate;
mod workspace;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

/// candle and the file readers allocate often: docs/decisions/014-mimalloc.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "Luthier's tools", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Transfer(transfer::Args),
    Generate(generate::Args),
    Style(save_style::Args),
    Inspect(inspect::Args),
    Test(test::Args),
    Check(check::Args),
    #[cfg(feature = "bench")]
    Bench(bench::Args),
    /// Measure the speed of the engine and of other frameworks. Builds the tools with `bench` first
    #[cfg(not(feature = "bench"))]
    #[command(disable_help_flag = true)]
    Bench(rebuild::Args),
    CudaToolkit(cuda_toolkit::Args),
    Screenshots(screenshots::Args),
    Bundle(bundle::Args),
    Install(install::Args),
    Dist(dist::Args),
    Validate(validate::Args),
}

const BAD_INPUT: u8 = 2;

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    // A reader can close the pipe early (`| head`). SIGPIPE then ends this program without a panic.
    sigpipe::reset();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse_arguments(&error),
    };
    let result = match cli.command {
        Command::Transfer(args) => transfer::run(&args),
        Command::Generate(args) => generate::run(&args),
        Command::Style(args) => save_style::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Check(args) => check::run(&args),
        #[cfg(feature = "bench")]
        Command::Bench(args) => bench::run(&args),
        #[cfg(not(feature = "bench"))]
        Command::Bench(_) => rebuild::run("bench"),
        Command::CudaToolkit(args) => cuda_toolkit::run(&args),
        Command::Screenshots(args) => screenshots::run(&args),
        Command::Bundle(args) => bundle::run(&args),
        Command::Install(args) => install::run(&args),
        Command::Dist(args) => dist::run(&args),
        Command::Validate(args) => validate::run(&args),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {}", one_line(&format!("{error:#}")));
        ExitCode::from(BAD_INPUT)
    })
}

/// Prints help and version unchanged. Prints the first paragraph of an error as one line.
fn refuse_arguments(error: &clap::Error) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        // A closed pipe is not an error.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        eprint!("{error}");
        return ExitCode::from(BAD_INPUT);
    }
    let text = error.to_string();
    eprintln!("{}", one_line(text.split("\n\n").next().unwrap_or(&text)));
    ExitCode::from(BAD_INPUT)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
