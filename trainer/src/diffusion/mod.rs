//! The data loader of the diffusion model.
//!
//! For each step, a [`mixture`] of one or more [training sets](training_set) draws pairs.
//! The [data loader](data_loader) adds the random choices of each [example], encodes images with
//! the frozen autoencoder ([`latent_cache`]) and collates a [`batch`]. A [`prefetcher`] does this
//! one step ahead of training.

pub mod batch;
pub mod data_loader;
pub mod example;
mod frozen_encoder;
pub mod latent_cache;
pub mod mixture;
pub mod prefetcher;
pub mod training_set;

pub use batch::Batch;
pub use data_loader::DataLoader;
pub use example::Example;
pub use latent_cache::LatentCache;
pub use mixture::Mixture;
pub use prefetcher::Prefetcher;
