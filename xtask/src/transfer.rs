//! `cargo xtask transfer`: a recording in, the same notes on another instrument out.

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

/// Turn the instrument of a recording into another one
#[derive(clap::Args)]
pub struct Args {
    /// WAV, FLAC, MP3 or OGG of any length, mono or stereo
    input: PathBuf,
    /// A shipped style (piano, violin, flute and others), a recording to take the style from, or a
    /// saved style (.luthier)
    #[arg(long, required_unless_present = "sidechain")]
    style: Option<String>,
    /// A recording that plays beside the input, as in the plugin's sidechain: the style follows
    /// its last 12 seconds
    #[arg(long, value_name = "FILE", conflicts_with = "style")]
    sidechain: Option<PathBuf>,
    /// .wav or .flac to write; has the input's sample rate, channels and length
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

/// Peaks below this (-90 dBFS) are nothing to transfer.
const SILENT_PEAK: f32 = 3e-5;

/// What a transfer did.
struct Done {
    seconds: f64,
    taken: Duration,
    clipped_samples: u64,
}

/// Transfers the file and says how long it took.
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
    // Created before the work, so that a path which cannot be written is known before anybody
    // waits.
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
            None => Pipeline::following(networks, rate_hz, channels),
        }
    };
    let pipelines = (0..model::threads()).map(|_| pipeline()).collect::<engine::Result<_>>()?;
    let done = stream(args, (reader, sidechain), writer, pipelines, &settings)?;
    #[cfg(feature = "pictures")]
    if let Some(canvas) = picture {
        canvas.draw_transfer(&args.input, &style_path, &args.out)?;
    }
    if done.clipped_samples > 0 {
        eprintln!("note: {} samples were clipped, --float keeps them", done.clipped_samples);
    }
    println!("{}", summary(&done, &file_model.device(), settings.seed));
    Ok(ExitCode::SUCCESS)
}

/// Moves the file through the engine's stream in blocks, so that memory does not grow with its
/// length.
fn stream(
    args: &Args,
    (mut reader, mut sidechain): (Reader, Option<Sidechain>),
    mut writer: Writer,
    pipelines: Vec<Pipeline>,
    settings: &Settings,
) -> Result<Done> {
    let (rate_hz, channels) = (reader.sample_rate_hz(), reader.channels());
    let grid = pipelines[0].grid().clone();
    let processors =
        pipelines.into_iter().map(|pipeline| Box::new(pipeline) as Box<dyn WindowProcessor>);
    let progress = Arc::new(Progress::new(reader.declared_frames(), rate_hz));
    let (processors, expected) = (processors.collect(), reader.declared_frames());
    let mut stream =
        ParallelRender::new(grid, channels, sidechain.is_some(), processors, settings, expected)?;
    let bar = Arc::clone(&progress);
    stream.watch(interrupt::cancel(), move |samples| bar.set_position(samples));
    let mut wet = vec![Vec::new(); channels];
    let mut peak = 0.0_f32;
    while let Some(block) = reader.read()? {
        interrupt::check()?;
        peak = block.iter().flatten().fold(peak, |peak, x| peak.max(x.abs()));
        let block: Vec<&[f32]> = block.iter().map(Vec::as_slice).collect();
        let beside = match &mut sidechain {
            Some(sidechain) => sidechain.next(block.first().map_or(0, |channel| channel.len()))?,
            None => Vec::new(),
        };
        let beside: Vec<&[f32]> = beside.iter().map(Vec::as_slice).collect();
        uninterrupted(stream.push_with_sidechain(&block, &beside, &mut wet))?;
        write(&mut writer, &mut wet)?;
    }
    ensure!(
        peak > SILENT_PEAK,
        "{}: expected audio that sounds, found silence",
        args.input.display()
    );
    let report = uninterrupted(stream.finish(&mut wet))?;
    refuse_failures(&report)?;
    write(&mut writer, &mut wet)?;
    let clipped_samples = writer.clipped_samples();
    writer.finish()?;
    let seconds = report.samples as f64 / f64::from(rate_hz);
    Ok(Done { seconds, taken: progress.finish(), clipped_samples })
}

/// What the stream says, unless a signal came: that is said then.
fn uninterrupted<T>(done: engine::Result<T>) -> Result<T> {
    interrupt::check()?;
    Ok(done?)
}

/// Hands finished samples to the file and forgets them.
fn write(writer: &mut Writer, wet: &mut [Vec<f32>]) -> Result<()> {
    let block: Vec<&[f32]> = wet.iter().map(Vec::as_slice).collect();
    writer.push(&block)?;
    wet.iter_mut().for_each(Vec::clear);
    Ok(())
}

/// A plugin plays on without a window that failed; a file with a hole in it would be a wrong
/// answer.
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

/// What is read must not be what is written: it would be lost.
pub fn refuse_same_file(output: &Path, inputs: &[&Path]) -> Result<()> {
    let Ok(written) = output.canonicalize() else { return Ok(()) };
    let same = inputs.iter().any(|input| input.canonicalize().is_ok_and(|read| read == written));
    ensure!(!same, "{}: expected another file to write than those that are read", output.display());
    Ok(())
}

/// The line that a transfer ends with.
fn summary(done: &Done, device: &str, seed: u64) -> String {
    let taken = done.taken.as_secs_f64();
    let factor = taken / done.seconds;
    format!(
        "{:.2} s of audio in {taken:.2} s, real-time factor {factor:.3}, {device}, seed {seed}",
        done.seconds
    )
}
