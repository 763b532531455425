//! The models in training: each task computes the losses of a batch for the
//! [training loop](crate::train_loop).

pub mod autoencoder;
pub mod classifier;
pub mod diffusion;
pub mod setup;

pub use autoencoder::AutoencoderTask;
pub use classifier::ClassifierTask;
pub use diffusion::DiffusionTask;
pub use setup::TaskSetup;
