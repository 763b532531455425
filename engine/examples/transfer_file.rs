//! Transfers a recording to another instrument with the shipped model.
//!
//! ```sh
//! cargo run --release -p engine --example transfer_file [INPUT [STYLE [OUTPUT]]]
//! ```
//!
//! INPUT and STYLE are audio files; by default the demo piano and the shipped violin. OUTPUT is a
//! `.wav` or `.flac` file, by default in the temporary folder.

use std::path::PathBuf;

use engine::Result;
use engine::audio_file::{Reader, SampleFormat, decode, encode};
use engine::checkpoint::Checkpoint;
use engine::inference_model::InferenceModel;
use engine::nn::packed::Packed;
use engine::pipeline::{BackendModel, Pipeline};
use engine::settings::Settings;
use engine::stream::render;

const PRESETS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../presets");

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let mut argument = |default| arguments.next().unwrap_or(default);
    let input = argument(format!("{PRESETS}/demo/piano.flac").into());
    let style = argument(format!("{PRESETS}/styles/violin.flac").into());
    let output = argument(std::env::temp_dir().join("luthier_transfer.wav"));

    let mut audio = decode(&input)?;
    let rate_hz = audio.sample_rate_hz;
    let model =
        InferenceModel::packed(&Checkpoint::read(format!("{PRESETS}/luthier.safetensors"))?)?;

    let reference = engine::reference::read(|| Reader::open(&style), &style.to_string_lossy())?;
    let style = model.style(&mut Packed::default(), &reference)?;
    let networks = BackendModel::new(model.model(), Packed::default());
    let pipeline = Pipeline::new(Box::new(networks), rate_hz, audio.channels.len(), style)?;

    let (grid, settings) = (pipeline.grid().clone(), Settings::default());
    let (wet, report) = render(grid, &audio.channels, Box::new(pipeline), &settings, &mut |_| {})?;
    if let Some(error) = report.first_error {
        eprintln!("warning: {} windows are dry: {error}", report.stats.failed);
    }
    audio.channels = wet;
    encode(&output, &audio, SampleFormat::Int24)?;
    println!("{}: {:.1} s", output.display(), audio.seconds());
    Ok(())
}
