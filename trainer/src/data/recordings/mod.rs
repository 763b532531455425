//! Recordings, a folder for each instrument: the data that need no score.
//!
//! ```text
//! fetch (yt-dlp) -> files -> mono 22.05 kHz -> trim -> 3-s chunks -> 8-bit images (PNG) -> RecordingDataset
//! ```
//!
//! `build-dataset` is the data pipeline of A. Prioteasa and T. Stempel-Hauburger, *Musical Style
//! Transfer Using Latent Diffusion Models* (Heidelberg, 2025), section 3.3, with two differences: a
//! recording is on one side of the split with all its chunks, and images may be made at the level
//! at which the engine plays instead of below their own maximum.

pub mod build;
pub mod chunk_image;
pub mod dataset;
pub mod description;
pub mod disguise;
pub mod fetch;
pub mod label_pairs;
pub mod mono;
pub mod sources;
pub mod splits;
pub mod trim;
pub mod unpaired;
