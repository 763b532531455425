//! `cargo xtask bench`: the packed engine against stock candle and, where Python has them, PyTorch
//! and ONNX Runtime, in one run, on the same weights; what a training's products take; and what the
//! plugin costs a host's audio thread.

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

use crate::picture::Canvas;
use crate::{model, style, workspace};
use frameworks::Frameworks;
use stage::StageInputs;
use stages::Executor;
use whole_chain::WholeChain;

/// Time every stage and the whole chain, the packed engine against other frameworks; and the
/// plugin's audio thread
#[derive(clap::Args)]
pub struct Args {
    /// Model file [default: the shipped one]
    #[arg(long)]
    model: Option<PathBuf>,
    /// Recording for the whole chain
    #[arg(long, default_value = "presets/demo/piano.flac")]
    clip: PathBuf,
    /// Times each stage is measured; the median counts
    #[arg(long, default_value_t = 7)]
    repeats: usize,
    /// Threads of the other frameworks; the packed engine computes a window on one
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Lengths in seconds of the files that `transfer` is timed on; none: not timed
    #[arg(long, num_args = 0.., default_values_t = [1.0, 10.0, 60.0, 600.0])]
    lengths: Vec<f64>,
    /// Seconds that the plugin plays with the shortest latency
    #[arg(long, default_value_t = 60)]
    live_seconds: usize,
    /// Python with what tests/bench/requirements.txt lists: times PyTorch and ONNX Runtime too
    #[arg(long)]
    python: Option<PathBuf>,
    /// Draw the stages' times
    #[arg(long, value_name = "FILE.png")]
    plot: Option<PathBuf>,
}

const STEPS: [usize; 3] = [2, 10, 50];
/// Longest file that is made to be timed; a WAV file ends at 4 GB.
const LENGTH_MAX_S: f64 = 10_800.0;

/// Measures and prints tables in Markdown.
pub fn run(args: &Args) -> Result<ExitCode> {
    ensure!(args.repeats > 0, "repeats: expected at least 1, found 0");
    ensure!(args.threads > 0, "threads: expected at least 1, found 0");
    let odd = args.lengths.iter().find(|&&length| !(length > 0.0 && length <= LENGTH_MAX_S));
    ensure!(
        odd.is_none(),
        "lengths: expected seconds above 0, at most {LENGTH_MAX_S}, found {odd:?}"
    );
    bound_candle(args.threads);
    // Before the work, so that a path which cannot be written is known before anybody waits.
    let plot = args.plot.as_deref().map(Canvas::create).transpose()?;
    let path = model::path(args.model.as_deref());
    let checkpoint = model::read(&path)?;
    let clip = if args.clip.is_relative() {
        workspace::root().join(&args.clip)
    } else {
        args.clip.clone()
    };
    let audio = decode(&clip)?;
    let reference = decode(&style::path("violin")?)?;
    let packed = InferenceModel::packed(&checkpoint).with_context(|| path.display().to_string())?;
    let stock = InferenceModel::candle(&checkpoint, &Device::Cpu)
        .with_context(|| path.display().to_string())?;
    let style = packed.style(&mut Packed::default(), &reference)?;
    let (packed, stock) = (packed.model(), stock.model());
    let given = StageInputs::new(&packed, &reference, style)?;
    let mut frameworks = Frameworks::open(args, &path, &packed, &given)?;
    heading(&checkpoint, args.threads);
    let mut ours = Executor::new(&packed, Packed::default(), &given)?;
    let mut candle = Executor::new(&stock, Candle::stock(Device::Cpu), &given)?;
    let chart = stages::print(&mut ours, &mut candle, &mut frameworks, args.repeats)?;
    plot.map(|canvas| canvas.write(&chart.picture()?)).transpose()?;
    frameworks.map_or(Ok(()), Frameworks::close)?;
    operations::print(packed.config(), &mut ours, &given, args.repeats)?;
    WholeChain { audio: &audio, style: &given.style }.print(&packed, &stock)?;
    length::print(&audio, &args.lengths)?;
    training::print(packed.config(), args.threads, args.repeats)?;
    println!();
    real_time(args.live_seconds)
}

/// candle asks nothing but the environment how many threads it may have; it starts one a core
/// otherwise, and they wait for each other.
fn bound_candle(threads: usize) {
    // SAFETY: no other thread is there yet to read the environment meanwhile.
    unsafe { std::env::set_var("RAYON_NUM_THREADS", threads.to_string()) };
}

/// The plugin in a host of ours: a program of its own, so that this one is built without the
/// plugin.
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
        "{:.2} M parameters, one window, medians; packed on one thread, the others on {threads}:\n",
        parameters as f64 * 1e-6
    );
}
