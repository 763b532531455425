//! What the command line does with a recording, called without it.

use std::path::Path;

use engine::audio_file::{Audio, decode};
use engine::checkpoint::Checkpoint;
use engine::nn::packed::Packed;
use engine::pipeline::{Executed, Pipeline};
use engine::playable::Playable;
use engine::settings::Settings;
use engine::stream::render;
use engine::style::StyleTokens;

use crate::workspace;

/// The shipped model's file.
pub const MODEL: &str = "presets/luthier.safetensors";

/// The shipped model.
pub fn playable() -> Playable<Packed> {
    let checkpoint = Checkpoint::read(workspace(MODEL)).expect("the shipped model");
    Playable::packed(&checkpoint).expect("a playable model")
}

/// One of the shipped references.
pub fn reference(style: &str) -> Audio {
    decode(workspace(Path::new("presets/styles").join(style).with_extension("flac"))).expect("a style")
}

/// The shipped model's networks, and the style of one of its references.
pub fn shipped(style: &str) -> (Executed<Packed>, StyleTokens) {
    let playable = playable();
    let tokens = playable.style(&mut Packed::default(), &reference(style)).expect("tokens");
    (Executed::new(playable.model(), Packed::default()), tokens)
}

/// What `cargo xtask transfer --style STYLE` makes of a recording.
pub fn transfer(input: &Audio, style: &str, settings: &Settings) -> Audio {
    let (networks, style) = shipped(style);
    let pipeline = Pipeline::new(Box::new(networks), input.sample_rate_hz, input.channels.len(), style)
        .expect("a pipeline");
    let grid = pipeline.grid().clone();
    let (channels, report) =
        render(grid, &input.channels, Box::new(pipeline), settings, &mut |_| ()).expect("rendered");
    assert_eq!((report.first_error, report.stats.failed), (None, 0));
    Audio { sample_rate_hz: input.sample_rate_hz, channels }
}
