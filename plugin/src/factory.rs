//! What is shipped inside the plugin: the model and the factory styles' recordings.

use std::sync::OnceLock;

use engine::Result;
use engine::audio_file::{Audio, Reader};
use engine::checkpoint::{Checkpoint, sha256_hex};
use engine::config::ModelConfig;

use crate::style_slot::FACTORY;

/// The shipped model.
pub static MODEL: &[u8] = include_bytes!("../../presets/luthier.safetensors");
/// The shipped model's name.
pub const MODEL_NAME: &str = "Luthier";

/// The recordings of [`FACTORY`], in its order.
static RECORDINGS: [&[u8]; FACTORY.len()] = [
    include_bytes!("../../presets/styles/piano.flac"),
    include_bytes!("../../presets/styles/guitar.flac"),
    include_bytes!("../../presets/styles/harp.flac"),
    include_bytes!("../../presets/styles/violin.flac"),
    include_bytes!("../../presets/styles/cello.flac"),
    include_bytes!("../../presets/styles/flute.flac"),
    include_bytes!("../../presets/styles/clarinet.flac"),
    include_bytes!("../../presets/styles/trumpet.flac"),
    include_bytes!("../../presets/styles/saxophone.flac"),
    include_bytes!("../../presets/styles/organ.flac"),
    include_bytes!("../../presets/styles/marimba.flac"),
    include_bytes!("../../presets/styles/electric-piano.flac"),
];

/// SHA-256 of the shipped model in lower-case hex. Takes a moment the first time: not for the audio
/// thread.
pub fn model_sha256() -> &'static str {
    static SHA256: OnceLock<String> = OnceLock::new();
    SHA256.get_or_init(|| sha256_hex(MODEL))
}

/// The shipped model's config; the default one where its file describes none.
pub fn model_config() -> &'static ModelConfig {
    static CONFIG: OnceLock<ModelConfig> = OnceLock::new();
    CONFIG.get_or_init(|| {
        let described =
            Checkpoint::describe(MODEL).and_then(|checkpoint| checkpoint.model_config());
        described.unwrap_or_default()
    })
}

/// The beginning of a factory style's recording.
///
/// # Errors
/// If the plugin was built with a recording that cannot be read.
pub fn recording(index: usize) -> Result<Audio> {
    let name = FACTORY[index];
    engine::reference::read(Reader::from_bytes(format!("{name}.flac"), RECORDINGS[index])?, name)
}
