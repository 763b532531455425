//! `trainer train --model ldm`: style encoder and denoiser on the frozen autoencoder's latents.
//!
//! The way of a step: `examples` (pairs of a rendered dataset, or recordings in a disguise) -> `latents` (each image encoded once) -> `batch` (timesteps, noise, what is
//! dropped) -> `task` (prediction, losses).

mod batch;
mod examples;
mod latents;
mod task;

pub use task::DiffusionTask;
