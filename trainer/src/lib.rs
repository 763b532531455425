//! Everything that makes a model: data, losses, optimiser, training runs, evaluation, pictures.

pub mod cli;
pub mod data;
