//! `cargo xtask generate`: creates sound from noise and a style.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use engine::audio_file::{Audio, SampleFormat};
use engine::generate::{generate, validate_seconds};
use engine::latency_mode::LatencyMode;

use crate::choices::{self, Sampling};
use crate::interrupt;
use crate::model::FileModel;
use crate::output::{self, Output};
use crate::progress::Progress;
use crate::standard_output;
use crate::style::{self, Reference};
use crate::transfer::refuse_same_file;

/// Create sound from noise and a style, without an input
#[derive(clap::Args)]
pub struct Args {
    /// A shipped style (piano, violin, flute and others), a recording, or a saved style (.luthier)
    #[arg(long)]
    style: OsString,
    /// Length in seconds
    #[arg(long, allow_negative_numbers = true)]
    seconds: f64,
    /// Output file, .wav or .flac; mono at the model's sample rate
    #[arg(long)]
    out: PathBuf,
    #[command(flatten)]
    sampling: Sampling,
}

/// Generates the file and prints the computing time.
pub fn run(args: &Args) -> Result<ExitCode> {
    let settings = choices::settings(&args.sampling, None)?;
    validate_seconds(args.seconds)?;
    let style_path = style::path(&args.style)?;
    refuse_same_file(&args.out, &[&style_path])?;
    let file_model = FileModel::open(args.sampling.model.as_deref(), args.sampling.device)?;
    let rate_hz = file_model.config.mel.sample_rate_hz;
    let mut output = Output::create(&args.out, rate_hz, 1, SampleFormat::Int24)?;
    let style = Reference::read(&style_path)?.style(&file_model, &style_path)?;
    let frames = (args.seconds * f64::from(rate_hz)) as u64;
    let progress = Progress::new(Some(frames), rate_hz);
    let hop = file_model.config.mel.hop_length;
    let mut networks = file_model.networks(LatencyMode::Quality);
    let samples = generate(
        networks.as_mut(),
        &style.tokens,
        args.seconds,
        &settings,
        &interrupt::cancel(),
        &mut |done| {
            progress.set_position((done * hop) as u64);
        },
    )?;
    output.push(&[&samples])?;
    if let Some(gain_db) = output.finish()? {
        eprintln!("{}", output::note(gain_db));
    }
    let seconds = Audio { sample_rate_hz: rate_hz, channels: vec![samples] }.seconds();
    let elapsed = progress.finish().as_secs_f64();
    standard_output::print(format_args!(
        "{seconds:.2} s of audio in {elapsed:.2} s, real-time factor {:.3}, {}, seed {}",
        elapsed / seconds,
        file_model.device(),
        settings.seed
    ))?;
    Ok(ExitCode::SUCCESS)
}
