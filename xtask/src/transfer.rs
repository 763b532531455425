//! `cargo xtask transfer`: turns the instrument of a recording into another instrument.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use engine::audio_file::{Reader, SampleFormat, Writer};
use engine::pipeline::Pipeline;
use engine::settings::Settings;
use engine::stream::{ParallelRender, Report, WindowProcessor};
use engine::style::StyleTokens;

use crate::choices::{self, Blend, Sampling};
use crate::interrupt;
use crate::model::{self, FileModel};
#[cfg(feature = "pictures")]
use crate::picture;
use crate::progress::Progress;
use crate::sidechain::Sidechain;
use crate::style::{self, Reference};

/// Turn the instrument of a recording into another instrument
#[derive(clap::Args)]
pub struct Args {
    /// Input file: WAV, FLAC, MP3 or OGG, mono or stereo, of any length
    input: PathBuf,
    /// A shipped style (piano, violin, flute and others), a recording, or a saved style (.luthier)
    #[arg(long, required_unless_present = "sidechain")]
    style: Option<String>,
    /// A recording as the sidechain. The style of each window is computed from its latest 12 s of
    /// sound
    #[arg(long, value_name = "FILE", conflicts_with = "style")]
    sidechain: Option<PathBuf>,
    /// Output file, .wav or .flac, with the input's sample rate, channels and length
    #[arg(long)]
    out: PathBuf,
    /// Write 32-bit float samples instead of 24-bit integers (.wav only)
    #[arg(long)]
    float: bool,
    /// Draw the spectrograms of input, style and output
    #[arg(long, value_name = "FILE.png")]
    picture: Option<PathBuf>,
    #[command(flatten)]
    sampling: Sampling,
    #[command(flatten)]
    blend: Blend,
}

/// Audio with peaks up to this level (-90 dBFS) is refused as silent.
const SILENT_PEAK: f32 = 3e-5;

/// Figures of a finished transfer.
struct Outcome {
    /// Duration of the audio.
    seconds: f64,
    elapsed: Duration,
    clipped_samples: u64,
}

/// Transfers the file and prints the computing time.
pub fn run(args: &Args) -> Result<ExitCode> {
    #[cfg(not(feature = "pictures"))]
    if args.picture.is_some() {
        return crate::rebuild::run("pictures");
    }
    let settings = choices::settings(&args.sampling, Some(&args.blend))?;
    let style_path = match (&args.style, &args.sidechain) {
        (Some(style), _) => style::path(style)?,
        (None, sidechain) => sidechain.clone().unwrap_or_default(),
    };
    interrupt::check()?;
    refuse_same_file(&args.out, &[&args.input, &style_path])?;
    let reader = Reader::open(&args.input)?;
    let sidechain =
        args.sidechain.as_deref().map(|path| Sidechain::open(path, &reader)).transpose()?;
    // Created first, so that an error of the path is reported before the computation.
    let format = if args.float { SampleFormat::Float32 } else { SampleFormat::Int24 };
    let writer = Writer::create(&args.out, reader.sample_rate_hz(), reader.channels(), format)?;
    #[cfg(feature = "pictures")]
    let picture = args.picture.as_deref().map(picture::Canvas::create).transpose()?;
    let reference = if sidechain.is_none() { Some(Reference::read(&style_path)?) } else { None };
    let file_model = FileModel::open(args.sampling.model.as_deref(), args.sampling.device)?;
    let (rate_hz, channels) = (reader.sample_rate_hz(), reader.channels());
    let style = reference.map(|reference| reference.style(&file_model, &style_path)).transpose()?;
    let pipeline = || -> engine::Result<Pipeline> {
        let networks = file_model.networks(args.blend.latency.mode());
        match &style {
            Some(style) => {
                Pipeline::new(networks, rate_hz, channels, StyleTokens::clone(&style.tokens))
            }
            None => Pipeline::with_sidechain_style(networks, rate_hz, channels),
        }
    };
    let pipelines = (0..model::threads()).map(|_| pipeline()).collect::<engine::Result<_>>()?;
    let outcome = stream(args, (reader, sidechain), writer, pipelines, &settings)?;
    #[cfg(feature = "pictures")]
    if let Some(canvas) = picture {
        canvas.draw_transfer(&args.input, &style_path, &args.out)?;
    }
    if outcome.clipped_samples > 0 {
        eprintln!("note: {} samples were clipped; --float keeps them", outcome.clipped_samples);
    }
    println!("{}", summary(&outcome, &file_model.device(), settings.seed));
    Ok(ExitCode::SUCCESS)
}

/// Processes the file in blocks, so that memory does not grow with its length.
fn stream(
    args: &Args,
    (mut reader, mut sidechain): (Reader, Option<Sidechain>),
    mut writer: Writer,
    pipelines: Vec<Pipeline>,
    settings: &Settings,
) -> Result<Outcome> {
    let (rate_hz, channels) = (reader.sample_rate_hz(), reader.channels());
    let grid = pipelines[0].grid().clone();
    let processors =
        pipelines.into_iter().map(|pipeline| Box::new(pipeline) as Box<dyn WindowProcessor>);
    let progress = Arc::new(Progress::new(reader.declared_frames(), rate_hz));
    let (processors, expected) = (processors.collect(), reader.declared_frames());
    let mut stream =
        ParallelRender::new(grid, channels, sidechain.is_some(), processors, settings, expected)?;
    let bar = Arc::clone(&progress);
    stream.on_progress(interrupt::cancel(), move |samples| bar.set_position(samples));
    let mut wet = vec![Vec::new(); channels];
    let mut peak = 0.0_f32;
    while let Some(block) = reader.read()? {
        interrupt::check()?;
        peak = block.iter().flatten().fold(peak, |peak, x| peak.max(x.abs()));
        let block: Vec<&[f32]> = block.iter().map(Vec::as_slice).collect();
        let side = match &mut sidechain {
            Some(sidechain) => sidechain.next(block.first().map_or(0, |channel| channel.len()))?,
            None => Vec::new(),
        };
        let side: Vec<&[f32]> = side.iter().map(Vec::as_slice).collect();
        uninterrupted(stream.push_with_sidechain(&block, &side, &mut wet))?;
        write(&mut writer, &mut wet)?;
    }
    ensure!(
        peak > SILENT_PEAK,
        "{}: expected an audible recording, found silence",
        args.input.display()
    );
    let report = uninterrupted(stream.finish(&mut wet))?;
    refuse_failures(&report)?;
    write(&mut writer, &mut wet)?;
    let clipped_samples = writer.clipped_samples();
    writer.finish()?;
    let seconds = report.samples as f64 / f64::from(rate_hz);
    Ok(Outcome { seconds, elapsed: progress.finish(), clipped_samples })
}

/// The result, or the error of an interruption, which has priority.
fn uninterrupted<T>(result: engine::Result<T>) -> Result<T> {
    interrupt::check()?;
    Ok(result?)
}

/// Writes finished samples to the file and clears them.
fn write(writer: &mut Writer, wet: &mut [Vec<f32>]) -> Result<()> {
    let block: Vec<&[f32]> = wet.iter().map(Vec::as_slice).collect();
    writer.push(&block)?;
    wet.iter_mut().for_each(Vec::clear);
    Ok(())
}

/// Returns an error if a window failed. The plugin outputs the dry signal instead, but a file must
/// be complete.
fn refuse_failures(report: &Report) -> Result<()> {
    if let Some(error) = &report.first_error {
        bail!(
            "{} of {} windows failed: {error}",
            report.stats.failed,
            report.stats.failed + report.stats.wet
        );
    }
    Ok(())
}

/// Refuses an output path that is also an input: the input would be lost.
pub fn refuse_same_file(output: &Path, inputs: &[&Path]) -> Result<()> {
    let Ok(written) = output.canonicalize() else { return Ok(()) };
    let same = inputs.iter().any(|input| input.canonicalize().is_ok_and(|read| read == written));
    ensure!(!same, "{}: expected an output path that differs from the inputs", output.display());
    Ok(())
}

/// The last printed line of a transfer.
fn summary(outcome: &Outcome, device: &str, seed: u64) -> String {
    let elapsed = outcome.elapsed.as_secs_f64();
    let factor = elapsed / outcome.seconds;
    format!(
        "{:.2} s of audio in {elapsed:.2} s, real-time factor {factor:.3}, {device}, seed {seed}",
        outcome.seconds
    )
}
