//! `trainer train --model ldm`: style encoder and denoiser on the frozen autoencoder's latents.
//!
//! The way of a step: `examples` (pairs of a rendered dataset, or recordings in a disguise), of one
//! dataset or a `mixture` of several -> `latents` (each image encoded once) -> `batch` (timesteps,
//! noise, what is dropped), all of them in `batches`, one step `ahead` of `task` (prediction,
//! losses).

mod ahead;
mod batch;
mod batches;
mod examples;
mod frozen_encoder;
mod latents;
pub mod mixture;
mod task;

pub use task::DiffusionTask;
