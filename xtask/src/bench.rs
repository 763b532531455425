//! `cargo xtask bench`: the packed engine against stock candle, in one run, on the same weights; and what the plugin costs
//! a host's audio thread.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use candle_core::Device;
use engine::audio_file::{Audio, decode};
use engine::checkpoint::Checkpoint;
use engine::models::model::{Guide, Model};
use engine::nn::Backend;
use engine::nn::candle::Candle;
use engine::nn::packed::Packed;
use engine::pipeline::{Executed, Pipeline, TransferModel};
use engine::playable::{Playable, reference_images};
use engine::settings::Settings;
use engine::stream::{Report, Stage, render};
use engine::style::StyleTokens;

use crate::{model, style, workspace};

/// Time every stage and the whole chain, the packed engine against stock candle; and the plugin's audio thread
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
}

const STEPS: [usize; 3] = [4, 10, 50];

/// Names and medians in milliseconds.
type Stages = Vec<(String, f64)>;

/// Measures and prints tables in Markdown.
pub fn run(args: &Args) -> Result<ExitCode> {
    ensure!(args.repeats > 0, "repeats: expected at least 1, found 0");
    let path = model::path(args.model.as_deref());
    let checkpoint = model::read(&path)?;
    let clip = if args.clip.is_relative() { workspace::root().join(&args.clip) } else { args.clip.clone() };
    let audio = decode(&clip)?;
    let reference = decode(&style::path("violin")?)?;
    let packed = Playable::packed(&checkpoint).with_context(|| path.display().to_string())?;
    let stock = Playable::candle(&checkpoint, &Device::Cpu).with_context(|| path.display().to_string())?;
    let ops = || (Packed::default(), Candle::stock(Device::Cpu));
    let tokens = packed.style(&mut ops().0, &reference)?;
    heading(&checkpoint);
    let ours = stages(&packed.model(), &mut ops().0, &reference, &tokens, args.repeats)?;
    let theirs = stages(&stock.model(), &mut ops().1, &reference, &tokens, args.repeats)?;
    print_stages(&ours, &theirs);
    println!(
        "\nWhole chain on {:.1} s of {} Hz audio, {} channel(s):\n",
        audio.seconds(),
        audio.sample_rate_hz,
        audio.channels.len()
    );
    println!("| steps | packed, s | real-time factor | stock candle, s | real-time factor | ratio |");
    println!("|---|---|---|---|---|---|");
    let mut last = None;
    for steps in STEPS {
        let (ours, report) = whole(Box::new(Executed::new(packed.model(), ops().0)), &audio, &tokens, steps)?;
        let (theirs, _) = whole(Box::new(Executed::new(stock.model(), ops().1)), &audio, &tokens, steps)?;
        let factor = |seconds: f64| seconds / audio.seconds();
        println!(
            "| {steps} | {ours:.2} | {:.3} | {theirs:.2} | {:.3} | {:.1} |",
            factor(ours),
            factor(theirs),
            theirs / ours
        );
        last = (steps == Settings::default().steps).then_some(report).or(last);
    }
    if let Some(report) = last {
        print_shares(&report);
    }
    println!();
    real_time()
}

/// The plugin in a host of ours: a program of its own, so that this one is built without the plugin.
fn real_time() -> Result<ExitCode> {
    let mut bench = workspace::cargo();
    bench.args(["bench", "--quiet", "--bench", "real_time"]);
    ensure!(workspace::succeeds(&mut bench)?, "`{}` failed", workspace::shown(&bench));
    Ok(ExitCode::SUCCESS)
}

fn heading(checkpoint: &Checkpoint) {
    let parameters: usize = checkpoint.parts().iter().map(|(_, count)| count).sum();
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    println!("{:.2} M parameters, {threads} threads, one window, medians:\n", parameters as f64 * 1e-6);
}

/// Medians of each network on one window.
fn stages<B: Backend>(
    model: &Arc<Model<B>>,
    ops: &mut B,
    reference: &Audio,
    tokens: &StyleTokens,
    repeats: usize,
) -> Result<Stages> {
    let images = reference_images(model.config(), reference)?;
    let image = images.first().context("a window of the reference")?;
    let latent = model.encode(ops, image)?;
    let dims = model.latent_dims(image.n_mels, image.frames);
    let timestep = model.config().diffusion.train_timesteps - 1;
    let styled = Guide { content: Some(&latent), style: Some(tokens), prefix_columns: 0 };
    let guided = [styled, Guide { style: None, ..styled }];
    let mut table = Stages::new();
    let mut time = |name: String, work: &mut dyn FnMut() -> engine::Result<()>| -> Result<()> {
        work()?;
        let mut taken = Vec::with_capacity(repeats);
        for _ in 0..repeats {
            let start = Instant::now();
            work()?;
            taken.push(start.elapsed().as_secs_f64() * 1e3);
        }
        table.push((name, median(&mut taken)));
        Ok(())
    };
    time("encode".into(), &mut || model.encode(ops, image).map(drop))?;
    time("style tokens of one window".into(), &mut || model.style_tokens(ops, &images[..1]).map(drop))?;
    time("denoise, one step".into(), &mut || {
        model.denoise(ops, &latent, dims, timestep, &guided[..1]).map(drop)
    })?;
    time("denoise, one guided step".into(), &mut || {
        model.denoise(ops, &latent, dims, timestep, &guided).map(drop)
    })?;
    time("decode".into(), &mut || model.decode(ops, &latent, dims).map(drop))?;
    for steps in STEPS {
        time(format!("encode, {steps} steps, decode"), &mut || {
            model.encode(ops, image)?;
            for _ in 0..steps {
                model.denoise(ops, &latent, dims, timestep, &guided[..1])?;
            }
            model.decode(ops, &latent, dims).map(drop)
        })?;
    }
    Ok(table)
}

/// Seconds that the whole chain takes for a recording.
fn whole(
    model: Box<dyn TransferModel>,
    audio: &Audio,
    tokens: &StyleTokens,
    steps: usize,
) -> Result<(f64, Report)> {
    let settings = Settings { steps, ..Settings::default() };
    let pipeline = Pipeline::new(model, audio.sample_rate_hz, audio.channels.len(), tokens.clone())?;
    let start = Instant::now();
    let (_, report) =
        render(pipeline.grid().clone(), &audio.channels, Box::new(pipeline), &settings, &mut |_| ())?;
    ensure!(report.first_error.is_none(), "{}", report.first_error.unwrap_or_default());
    Ok((start.elapsed().as_secs_f64(), report))
}

fn print_stages(ours: &Stages, theirs: &Stages) {
    println!("| stage | packed, ms | stock candle, ms | ratio |");
    println!("|---|---|---|---|");
    for ((name, ours), (_, theirs)) in ours.iter().zip(theirs) {
        println!("| {name} | {ours:.2} | {theirs:.2} | {:.1} |", theirs / ours);
    }
}

/// Where the packed engine's time goes with the default settings.
fn print_shares(report: &Report) {
    let windows = report.stats.wet.max(1) as f64;
    println!("\nThe packed engine's {} windows with the default settings:\n", report.stats.wet);
    println!("| stage | ms a window | share |");
    println!("|---|---|---|");
    let total = report.timings.total().as_secs_f64();
    for stage in Stage::ALL {
        let seconds = report.timings.of(stage).as_secs_f64();
        println!("| {} | {:.2} | {:.0} % |", stage.name(), seconds * 1e3 / windows, 100.0 * seconds / total);
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
