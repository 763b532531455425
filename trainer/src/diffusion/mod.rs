//! `trainer train --model ldm`: style encoder and denoiser on the frozen autoencoder's latents.
//!
//! The way of a step: pairs of the dataset -> `latents` (each image encoded once) -> `batch` (timesteps, noise, what is
//! dropped) -> `task` (prediction, losses).

mod batch;
mod latents;
mod task;

pub use task::DiffusionTask;
