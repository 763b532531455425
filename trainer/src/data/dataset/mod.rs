//! Rendered datasets: the same notes on several instruments in several setups.
//!
//! `trainer render` writes a folder with a `dataset.json` ([`description`]) and one safetensors
//! file for each piece. [`SpectrogramDataset`] reads it, [`pairs`] draws training examples from it.

pub mod audio_renderer;
pub mod description;
pub mod ensemble;
pub mod image_ref;
pub mod image_set;
pub mod imager;
pub mod manifest;
pub mod pairs;
pub mod piece_entry;
pub mod render;
pub mod renderer;
pub mod setup;
pub mod sound;
pub mod spectrogram_dataset;
pub mod split;
pub mod track;

pub use image_ref::ImageRef;
pub use image_set::ImageSet;
pub use pairs::Pair;
pub use sound::Sound;
pub use spectrogram_dataset::SpectrogramDataset;
pub use split::Split;
