//! The files that the plugin contains: the shipped model and the recordings of the factory styles.

use std::sync::OnceLock;

use engine::Result;
use engine::audio_file::Reader;
use engine::checkpoint::{Checkpoint, sha256_hex};
use engine::config::ModelConfig;
use engine::reference::Reference;

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

/// SHA-256 of the shipped model in lower-case hex. The first call computes it, so the audio thread
/// must not call this.
pub fn model_sha256() -> &'static str {
    static SHA256: OnceLock<String> = OnceLock::new();
    SHA256.get_or_init(|| sha256_hex(MODEL))
}

/// The config of the shipped model, or the default config if the file contains none.
pub fn model_config() -> &'static ModelConfig {
    static CONFIG: OnceLock<ModelConfig> = OnceLock::new();
    CONFIG.get_or_init(|| {
        let described =
            Checkpoint::describe(MODEL).and_then(|checkpoint| checkpoint.model_config());
        described.unwrap_or_default()
    })
}

/// The reference of factory style `index`.
///
/// # Errors
/// If the built-in recording cannot be decoded or is silent.
pub fn reference(index: usize) -> Result<Reference> {
    let name = FACTORY[index];
    let open = || Reader::from_bytes(format!("{name}.flac"), RECORDINGS[index]);
    engine::reference::read(open, name)
}
