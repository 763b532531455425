//! Pushes audio blocks through the real-time stream, as a plugin's audio thread does.
//!
//! ```sh
//! cargo run --release -p engine --example stream
//! ```
//!
//! The example processes 4 s of the demo piano in real time and prints the latency, the windows
//! and the output level. A window that needs more time than its deadline is counted as late, and
//! its samples are dry.

use std::thread::sleep;
use std::time::{Duration, Instant};

use engine::Result;
use engine::audio_file::{Reader, decode};
use engine::checkpoint::Checkpoint;
use engine::inference_model::InferenceModel;
use engine::latency_mode::LatencyMode;
use engine::nn::packed::Packed;
use engine::pipeline::{BackendModel, Pipeline};
use engine::settings::Settings;
use engine::stream::{StreamConfig, open};

const PRESETS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../presets");
const BLOCK_SAMPLES: usize = 512;
const SECONDS: usize = 4;

fn main() -> Result<()> {
    let model =
        InferenceModel::packed(&Checkpoint::read(format!("{PRESETS}/luthier.safetensors"))?)?;
    let violin = || Reader::open(format!("{PRESETS}/styles/violin.flac"));
    let reference = engine::reference::read(violin, "violin.flac")?;
    let style = model.style(&mut Packed::default(), &reference)?;

    let mut audio = decode(format!("{PRESETS}/demo/piano.flac"))?;
    let (rate_hz, channels) = (audio.sample_rate_hz, audio.channels.len());
    audio.channels.iter_mut().for_each(|channel| channel.truncate(SECONDS * rate_hz as usize));

    let mode = LatencyMode::Balanced;
    let networks = BackendModel::new(model.model(), Packed::default()).in_mode(mode);
    let pipeline = Pipeline::new(Box::new(networks), rate_hz, channels, style)?;
    let grid = pipeline.grid().clone();
    let deadline_samples = (mode.deadline_of_hop() * grid.hop_samples() as f64) as u64;
    let config =
        StreamConfig { grid, channels, sidechain: false, deadline_samples, limiter: false };

    // `_worker` runs the pipeline until it is dropped.
    let (mut stream, _worker) = open(&config, Box::new(pipeline), &Settings::default())?;
    let latency_s = stream.latency_samples() as f64 / f64::from(rate_hz);
    println!("latency: {latency_s:.3} s");

    let block_duration = Duration::from_secs_f64(BLOCK_SAMPLES as f64 / f64::from(rate_hz));
    let (start, frames) = (Instant::now(), audio.frames());
    for (number, first) in (0..frames).step_by(BLOCK_SAMPLES).enumerate() {
        let end = frames.min(first + BLOCK_SAMPLES);
        let mut block: Vec<&mut [f32]> =
            audio.channels.iter_mut().map(|channel| &mut channel[first..end]).collect();
        stream.process(&mut block, &[]);
        // A host calls at the rate of its audio device.
        sleep((block_duration * (number as u32 + 1)).saturating_sub(start.elapsed()));
    }

    let stats = stream.stats();
    println!("windows: {} wet, {} late, {} failed", stats.wet, stats.late, stats.failed);
    let peak = audio.channels.iter().flatten().fold(0.0_f32, |peak, x| peak.max(x.abs()));
    println!("output peak: {:.1} dBFS", 20.0 * peak.log10());
    Ok(())
}
