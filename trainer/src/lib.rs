//! Everything that makes a model: data, losses, optimiser, training runs, evaluation, pictures.
//!
//! The way of a run: `config` (what to do) -> `data` (what to learn from) -> a task (`autoencoder`,
//! `diffusion`, `classifier`: batch -> `losses`) -> `train_loop` (steps, `optim`, checkpoints, log)
//! -> `report` (pictures).

pub mod ablation;
pub mod autoencoder;
pub mod classifier;
pub mod cli;
pub mod config;
pub mod data;
pub mod diffusion;
pub mod evaluate;
pub mod export;
pub mod growth;
pub mod images;
pub mod level_free;
pub mod losses;
pub mod optim;
pub mod plot;
pub mod principal_components;
pub mod report;
pub mod setup;
pub mod train;
pub mod train_loop;
pub mod transcription;
pub mod vggish;
pub mod weights;
