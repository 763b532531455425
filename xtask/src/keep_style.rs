//! `cargo xtask style`: a recording's style as a file, for the plugin and for other people.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use engine::style::file;

use crate::choices::Device;
use crate::model::FileModel;
use crate::style::{self, Reference};
use crate::transfer::refuse_same_file;

/// Save a recording's style as a file that holds none of its audio
#[derive(clap::Args)]
pub struct Args {
    /// WAV, FLAC, MP3 or OGG; its first 12 seconds of sound are heard
    recording: String,
    /// .luthier to write; the plugin lists those in its own folder under *My styles*
    #[arg(long)]
    out: PathBuf,
    /// Model file to read the style with; any other can read it again
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
}

/// Reads the style and writes it.
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
    let kept = reference.style(&file_model, &path)?;
    file::write(&kept, &args.out)?;
    println!("{}: {} style tokens", args.out.display(), kept.tokens.count());
    Ok(ExitCode::SUCCESS)
}
