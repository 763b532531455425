//! `cargo xtask style`: saves the style of a recording as a `.luthier` file.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use engine::style::file;

use crate::choices::Device;
use crate::model::FileModel;
use crate::standard_output;
use crate::style::{self, Reference};
use crate::transfer::refuse_same_file;

/// Save the style of a recording as a file without audio
#[derive(clap::Args)]
pub struct Args {
    /// A recording. The style is computed from the most suitable 12 s
    recording: OsString,
    /// Output file, .luthier. The plugin lists the files of its own folder under "My styles"
    #[arg(long)]
    out: PathBuf,
    /// Model that computes the style; models with the same mel settings can use the file
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
}

/// Computes the style and writes the file.
pub fn run(args: &Args) -> Result<ExitCode> {
    ensure!(
        file::is_style(&args.out),
        "{}: expected a name that ends in .luthier",
        args.out.display()
    );
    let path = style::path(&args.recording)?;
    refuse_same_file(&args.out, &[&path])?;
    let reference = Reference::read(&path)?;
    let file_model = FileModel::open(args.model.as_deref(), Device::Cpu)?;
    let saved = reference.style(&file_model, &path)?;
    file::write(&saved, &args.out)?;
    let (path, count) = (args.out.display(), saved.tokens.count());
    standard_output::print(format_args!("{path}: {count} style tokens"))?;
    Ok(ExitCode::SUCCESS)
}
