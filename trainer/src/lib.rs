//! Data, losses, optimiser, training runs, evaluation and pictures of Luthier's models.
//!
//! A training run reads its `config` and its `data`. One of the `tasks` computes the `losses` of a
//! batch. `train_loop` runs the steps with `optim`, writes checkpoints and the log, and draws the
//! log.

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
