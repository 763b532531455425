//! `cargo xtask bench`: measures the packed executor, stock candle and, with `--python`, PyTorch
//! and ONNX Runtime with the same weights.
//!
//! It also measures the matrix products of training, and the plugin's load on a host's audio
//! thread.

mod chart;
mod frameworks;
mod length;
mod operations;
mod stage;
mod stages;
mod training;
mod whole_chain;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use candle_core::Device;
use engine::audio_file::decode;
use engine::checkpoint::Checkpoint;
use engine::inference_model::InferenceModel;
use engine::nn::candle::Candle;
use engine::nn::packed::Packed;
use engine::reference::Reference;

use crate::picture::Canvas;
use crate::{model, style, workspace};
use frameworks::Frameworks;
use stage::StageInputs;
use stages::Executor;
use whole_chain::WholeChain;

/// Measure the speed of every stage and of the whole chain, of other frameworks, and of the
/// plugin's audio thread
#[derive(clap::Args)]
pub struct Args {
    /// Model file [default: the shipped model]
    #[arg(long)]
    model: Option<PathBuf>,
    /// Recording for the whole chain
    #[arg(long, default_value = "presets/demo/piano.flac")]
    clip: PathBuf,
    /// Measurements of each stage; the median counts
    #[arg(long, default_value_t = 7)]
    repeats: usize,
    /// Threads of the other frameworks; the packed executor computes a window on one thread
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Lengths of the files for `transfer`, in seconds; without values, it is not measured
    #[arg(long, num_args = 0.., default_values_t = [1.0, 10.0, 60.0, 600.0])]
    lengths: Vec<f64>,
    /// Length of the plugin's real-time run in Live, in seconds
    #[arg(long, default_value_t = 60)]
    live_seconds: usize,
    /// Also measure PyTorch and ONNX Runtime, with a Python that has
    /// tests/bench/requirements.txt
    #[arg(long)]
    python: Option<PathBuf>,
    /// Draw the times of the stages
    #[arg(long, value_name = "FILE.png")]
    plot: Option<PathBuf>,
}

const STEPS: [usize; 3] = [2, 10, 50];
/// Maximum length of a file. A WAV file has at most 4 GB.
const LENGTH_MAX_S: f64 = 10_800.0;

/// Measures, and prints Markdown tables.
pub fn run(args: &Args) -> Result<ExitCode> {
    ensure!(args.repeats > 0, "repeats: expected at least 1, found 0");
    ensure!(args.threads > 0, "threads: expected at least 1, found 0");
    let odd = args.lengths.iter().find(|&&length| !(length > 0.0 && length <= LENGTH_MAX_S));
    ensure!(
        odd.is_none(),
        "lengths: expected seconds above 0, at most {LENGTH_MAX_S}, found {odd:?}"
    );
    limit_candle(args.threads);
    // Created first, so that an error of the path is reported before the measurements.
    let plot = args.plot.as_deref().map(Canvas::create).transpose()?;
    let path = model::path(args.model.as_deref());
    let checkpoint = model::read(&path)?;
    let clip = if args.clip.is_relative() {
        workspace::root().join(&args.clip)
    } else {
        args.clip.clone()
    };
    let audio = decode(&clip)?;
    let reference = Reference::from_audio(&decode(&style::path("violin")?)?)?;
    let packed = InferenceModel::packed(&checkpoint).with_context(|| path.display().to_string())?;
    let stock = InferenceModel::candle(&checkpoint, &Device::Cpu)
        .with_context(|| path.display().to_string())?;
    let style = packed.style(&mut Packed::default(), &reference)?;
    let (packed, stock) = (packed.model(), stock.model());
    let inputs = StageInputs::new(&packed, &reference, style)?;
    let mut frameworks = Frameworks::open(args, &path, &packed, &inputs)?;
    heading(&checkpoint, args.threads);
    let mut ours = Executor::new(&packed, Packed::default(), &inputs)?;
    let mut candle = Executor::new(&stock, Candle::stock(Device::Cpu), &inputs)?;
    let chart = stages::print(&mut ours, &mut candle, &mut frameworks, args.repeats)?;
    plot.map(|canvas| canvas.write(&chart.picture()?)).transpose()?;
    frameworks.map_or(Ok(()), Frameworks::close)?;
    operations::print(packed.config(), &mut ours, &inputs, args.repeats)?;
    WholeChain { audio: &audio, style: &inputs.style }.print(&packed, &stock)?;
    length::print(&audio, &args.lengths)?;
    training::print(packed.config(), args.threads, args.repeats)?;
    println!();
    real_time(args.live_seconds)
}

/// Limits candle's threads. candle reads only this environment variable. Its default is one thread
/// per core, and the threads wait for each other.
fn limit_candle(threads: usize) {
    // SAFETY: no other thread exists yet, so none reads the environment.
    unsafe { std::env::set_var("RAYON_NUM_THREADS", threads.to_string()) };
}

/// Measures the plugin in a test host. The host is another program, so that this one is built
/// without the plugin.
fn real_time(live_seconds: usize) -> Result<ExitCode> {
    let mut bench = workspace::cargo();
    bench.args(["bench", "--quiet", "--bench", "real_time"]);
    bench.env("LUTHIER_LIVE_SECONDS", live_seconds.to_string());
    ensure!(workspace::succeeds(&mut bench)?, "`{}` failed", workspace::shown(&bench));
    Ok(ExitCode::SUCCESS)
}

fn heading(checkpoint: &Checkpoint, threads: usize) {
    let parameters: usize = checkpoint.parts().iter().map(|(_, count)| count).sum();
    println!(
        "{:.2} M parameters, one window, medians. Threads: packed 1, others {threads}.\n",
        parameters as f64 * 1e-6
    );
}
