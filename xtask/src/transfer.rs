//! `cargo xtask transfer`: turns the instrument of a recording into another instrument.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use engine::audio_file::{Reader, SampleFormat};
use engine::pipeline::Pipeline;
use engine::settings::Settings;
use engine::stream::{ParallelRender, Report, WindowProcessor};
use engine::style::{SavedStyle, StyleTokens};

use crate::choices::{self, Bits, Blend, Sampling};
use crate::interrupt;
use crate::model::{self, FileModel};
use crate::output::{self, Output};
#[cfg(feature = "pictures")]
use crate::picture;
use crate::progress::Progress;
use crate::sidechain::Sidechain;
use crate::style::{self, Reference};
use crate::{standard_output, transfer_folder};

/// Turn the instrument of a recording into another instrument
#[derive(clap::Args)]
pub struct Args {
    /// Input file: WAV, AIFF, CAF, FLAC, MP3, M4A, Ogg Vorbis or Opus, mono or stereo, of any
    /// length. Or a folder with such files
    input: PathBuf,
    /// A shipped style (piano, violin, flute and others), a recording, or a saved style (.luthier)
    #[arg(long, required_unless_present = "sidechain")]
    style: Option<OsString>,
    /// A recording as the sidechain. The style of each window is computed from its latest 12 s of
    /// suitable sound
    #[arg(long, value_name = "FILE", conflicts_with = "style")]
    sidechain: Option<PathBuf>,
    /// Output file, .wav or .flac, with the input's sample rate, channels and length. For a folder:
    /// the folder of the outputs; existing outputs are skipped
    #[arg(long)]
    out: PathBuf,
    /// Size of integer samples
    #[arg(long, value_enum, default_value_t = Bits::TwentyFour, conflicts_with = "float")]
    bits: Bits,
    /// Write 32-bit float samples instead of integers (.wav only). They never clip
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

/// The result of a finished transfer.
pub struct Outcome {
    seconds: f64,
    elapsed: Duration,
    /// Gain of the output in dB, if it would have clipped.
    gain_db: Option<f32>,
    /// What was wrong with the input.
    warnings: Vec<String>,
}

/// Transfers the file or the files of a folder.
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
    if args.input.is_dir() {
        return run_folder(args, settings, &style_path);
    }
    refuse_same_file(&args.out, &[&args.input, &style_path])?;
    // Opened first, so that errors of the paths are reported before the computation.
    let files = Files::open(&args.input, args.sidechain.as_deref(), &args.out, args.format())?;
    #[cfg(feature = "pictures")]
    let picture = args.picture.as_deref().map(picture::Canvas::create).transpose()?;
    let renderer = Renderer::open(args, settings, &style_path, model::threads())?;
    let outcome = renderer.render(files)?;
    #[cfg(feature = "pictures")]
    if let Some(canvas) = picture {
        canvas.draw_transfer(&args.input, &style_path, &args.out)?;
    }
    outcome.print_notes();
    let summary = summary(&outcome, &renderer.file_model.device(), renderer.settings.seed);
    standard_output::print(format_args!("{summary}"))?;
    Ok(ExitCode::SUCCESS)
}

fn run_folder(args: &Args, settings: Settings, style_path: &Path) -> Result<ExitCode> {
    ensure!(args.sidechain.is_none(), "--sidechain: expected a file as the input, found a folder");
    ensure!(args.picture.is_none(), "--picture: expected a file as the input, found a folder");
    ensure!(!args.out.is_file(), "{}: expected a folder, found a file", args.out.display());
    refuse_same_file(&args.out, &[&args.input])?;
    // One thread a file: several files are processed at a time.
    let renderer = Renderer::open(args, settings, style_path, 1)?;
    transfer_folder::run(&renderer, &args.input, &args.out)?;
    Ok(ExitCode::SUCCESS)
}

impl Args {
    fn format(&self) -> SampleFormat {
        match self.bits {
            _ if self.float => SampleFormat::Float32,
            Bits::Sixteen => SampleFormat::Int16,
            Bits::TwentyFour => SampleFormat::Int24,
        }
    }
}

/// The open files of a transfer.
struct Files {
    reader: Reader,
    sidechain: Option<Sidechain>,
    output: Output,
    input: PathBuf,
}

impl Files {
    fn open(
        input: &Path,
        sidechain: Option<&Path>,
        out: &Path,
        format: SampleFormat,
    ) -> Result<Self> {
        let reader = Reader::open(input)?;
        let sidechain = sidechain.map(|path| Sidechain::open(path, &reader)).transpose()?;
        let output = Output::create(out, reader.sample_rate_hz(), reader.channels(), format)?;
        Ok(Self { reader, sidechain, output, input: input.to_path_buf() })
    }
}

/// Transfers files with one style and the same settings.
pub struct Renderer {
    file_model: FileModel,
    /// `None` if the style follows the sidechain.
    style: Option<SavedStyle>,
    blend: Blend,
    settings: Settings,
    format: SampleFormat,
    /// Threads of one file.
    threads: usize,
}

impl Renderer {
    fn open(args: &Args, settings: Settings, style_path: &Path, threads: usize) -> Result<Self> {
        let reference =
            if args.sidechain.is_none() { Some(Reference::read(style_path)?) } else { None };
        let file_model = FileModel::open(args.sampling.model.as_deref(), args.sampling.device)?;
        let style =
            reference.map(|reference| reference.style(&file_model, style_path)).transpose()?;
        let (blend, format) = (args.blend.clone(), args.format());
        Ok(Self { file_model, style, blend, settings, format, threads })
    }

    /// Transfers a file.
    ///
    /// # Errors
    /// If the input cannot be read, is silent, or the output cannot be written.
    pub fn transfer(&self, input: &Path, sidechain: Option<&Path>, out: &Path) -> Result<Outcome> {
        self.render(Files::open(input, sidechain, out, self.format)?)
    }

    fn pipeline(&self, rate_hz: u32, channels: usize) -> engine::Result<Pipeline> {
        let networks = self.file_model.networks(self.blend.latency.mode());
        match &self.style {
            Some(style) => {
                Pipeline::new(networks, rate_hz, channels, StyleTokens::clone(&style.tokens))
            }
            None => Pipeline::with_sidechain_style(networks, rate_hz, channels),
        }
    }

    /// Processes the file in blocks, so that memory does not grow with its length.
    fn render(&self, files: Files) -> Result<Outcome> {
        let Files { mut reader, mut sidechain, mut output, input } = files;
        let (rate_hz, channels) = (reader.sample_rate_hz(), reader.channels());
        let pipelines = (0..self.threads)
            .map(|_| self.pipeline(rate_hz, channels))
            .collect::<engine::Result<Vec<_>>>()?;
        let grid = pipelines[0].grid().clone();
        let processors =
            pipelines.into_iter().map(|pipeline| Box::new(pipeline) as Box<dyn WindowProcessor>);
        let progress = Arc::new(Progress::new(reader.declared_frames(), rate_hz));
        let (processors, expected) = (processors.collect(), reader.declared_frames());
        let (settings, has_sidechain) = (&self.settings, sidechain.is_some());
        let mut stream =
            ParallelRender::new(grid, channels, has_sidechain, processors, settings, expected)?;
        let bar = Arc::clone(&progress);
        stream.on_progress(interrupt::cancel(), move |samples| bar.set_position(samples));
        let mut wet = vec![Vec::new(); channels];
        let mut peak = 0.0_f32;
        while let Some(block) = reader.read()? {
            interrupt::check()?;
            peak = block.iter().flatten().fold(peak, |peak, x| peak.max(x.abs()));
            let block: Vec<&[f32]> = block.iter().map(Vec::as_slice).collect();
            let side = match &mut sidechain {
                Some(sidechain) => {
                    sidechain.next(block.first().map_or(0, |channel| channel.len()))?
                }
                None => Vec::new(),
            };
            let side: Vec<&[f32]> = side.iter().map(Vec::as_slice).collect();
            uninterrupted(stream.push_with_sidechain(&block, &side, &mut wet))?;
            write(&mut output, &mut wet)?;
        }
        ensure!(
            peak > SILENT_PEAK,
            "{}: expected an audible recording, found silence",
            input.display()
        );
        let report = uninterrupted(stream.finish(&mut wet))?;
        refuse_failures(&report)?;
        write(&mut output, &mut wet)?;
        let gain_db = output.finish()?;
        let seconds = report.samples as f64 / f64::from(rate_hz);
        let mut warnings = reader.warnings();
        warnings.extend(sidechain.iter().flat_map(Sidechain::warnings));
        Ok(Outcome { seconds, elapsed: progress.finish(), gain_db, warnings })
    }
}

impl Outcome {
    /// Duration of the audio in seconds.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }

    /// Prints what the user should know, on standard error.
    pub fn print_notes(&self) {
        for warning in &self.warnings {
            eprintln!("warning: {warning}");
        }
        if let Some(gain_db) = self.gain_db {
            eprintln!("{}; --float keeps the level", output::note(gain_db));
        }
    }
}

/// The result, or the error of an interruption, which has priority.
fn uninterrupted<T>(result: engine::Result<T>) -> Result<T> {
    interrupt::check()?;
    Ok(result?)
}

/// Writes finished samples to the file and clears them.
fn write(output: &mut Output, wet: &mut [Vec<f32>]) -> Result<()> {
    let block: Vec<&[f32]> = wet.iter().map(Vec::as_slice).collect();
    output.push(&block)?;
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
