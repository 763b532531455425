//! The transfer of `cargo xtask transfer`, called as a library.

use std::path::Path;

use engine::audio_file::{Audio, decode};
use engine::checkpoint::Checkpoint;
use engine::inference_model::InferenceModel;
use engine::latency_mode::LatencyMode;
use engine::nn::packed::Packed;
use engine::pipeline::{BackendModel, Pipeline};
use engine::reference::Reference;
use engine::settings::Settings;
use engine::stream::{OfflineStream, render};
use engine::style::StyleTokens;

use crate::workspace;

/// The shipped model's file.
pub const MODEL: &str = "presets/luthier.safetensors";

/// The shipped model.
pub fn shipped_model() -> InferenceModel<Packed> {
    let checkpoint = Checkpoint::read(workspace(MODEL)).expect("the shipped model");
    InferenceModel::packed(&checkpoint).expect("a complete model")
}

/// One of the shipped references.
pub fn reference(style: &str) -> Audio {
    decode(workspace(Path::new("presets/styles").join(style).with_extension("flac")))
        .expect("a style")
}

/// The tokens of a shipped style, computed by the shipped model.
pub fn tokens(style: &str) -> StyleTokens {
    let reference = Reference::from_audio(&reference(style)).expect("a reference");
    shipped_model().style(&mut Packed::default(), &reference).expect("tokens")
}

/// The output of `cargo xtask transfer --style STYLE` for a recording.
pub fn transfer(input: &Audio, style: &str, settings: &Settings) -> Audio {
    transfer_with_style(input, tokens(style), settings)
}

/// The command's output for a recording with this style.
pub fn transfer_with_style(input: &Audio, style: StyleTokens, settings: &Settings) -> Audio {
    transfer_in_mode(LatencyMode::Quality, input, style, settings)
}

/// The command's output for a recording with this style and `--latency`.
pub fn transfer_in_mode(
    mode: LatencyMode,
    input: &Audio,
    style: StyleTokens,
    settings: &Settings,
) -> Audio {
    let networks =
        Box::new(BackendModel::new(shipped_model().model(), Packed::default()).in_mode(mode));
    let pipeline = Pipeline::new(networks, input.sample_rate_hz, input.channels.len(), style)
        .expect("a pipeline");
    let grid = pipeline.grid().clone();
    let (channels, report) =
        render(grid, &input.channels, Box::new(pipeline), settings, &mut |_| ()).expect("rendered");
    assert_eq!((report.first_error, report.stats.failed), (None, 0));
    Audio { sample_rate_hz: input.sample_rate_hz, channels }
}

/// The output of `cargo xtask transfer --sidechain` for a recording and its sidechain.
pub fn transfer_with_sidechain(input: &Audio, sidechain: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let networks = Box::new(BackendModel::new(shipped_model().model(), Packed::default()));
    let channels = input.channels.len();
    let pipeline = Pipeline::with_sidechain_style(networks, input.sample_rate_hz, channels)
        .expect("a pipeline");
    let grid = pipeline.grid().clone();
    let mut stream =
        OfflineStream::with_sidechain(grid, channels, Box::new(pipeline), &Settings::default())
            .expect("a stream");
    let mut out = vec![Vec::new(); channels];
    stream
        .push_with_sidechain(&slices(&input.channels), &slices(sidechain), &mut out)
        .expect("pushed");
    let report = stream.finish(&mut out).expect("finished");
    assert_eq!(report.first_error, None);
    out
}

fn slices(channels: &[Vec<f32>]) -> Vec<&[f32]> {
    channels.iter().map(Vec::as_slice).collect()
}
