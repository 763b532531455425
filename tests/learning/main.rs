//! Networks, losses and training.

mod fixture;
mod gradients;
mod networks;
mod overfit;
mod resume;
mod training;
