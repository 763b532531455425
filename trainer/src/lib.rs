//! Data, losses, optimiser, training runs and evaluation of Luthier's models.
//!
//! The path of a training run: `config` -> `data` -> one of the `tasks` (batch -> `losses`) ->
//! `train_loop` (steps, `optim`, checkpoints, log, curves).

pub mod ablation;
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
pub mod tasks;
pub mod train;
pub mod train_loop;
pub mod transcription;
pub mod vggish;
pub mod weights;
