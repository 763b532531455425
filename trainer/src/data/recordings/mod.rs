//! Datasets of recordings: one folder for each instrument, no scores.
//!
//! ```text
//! fetch (yt-dlp) -> files -> mono 22.05 kHz -> trim -> 3-s chunks -> 8-bit images (PNG)
//! ```
//!
//! `build-dataset` follows the data pipeline of A. Prioteasa and T. Stempel-Hauburger, *Musical
//! Style Transfer Using Latent Diffusion Models* (Heidelberg, 2025), section 3.3.
//! It differs in two points. All chunks of a recording are in the same split. Images may be scaled
//! to the level of the real-time stream instead of to their own maximum.

pub mod build;
pub mod chunk_image;
pub mod dataset;
pub mod description;
pub mod fetch;
pub mod label_pairs;
pub mod mono;
pub mod splits;
pub mod trim;
pub mod unpaired;
