//! Networks, losses and training.

mod fixture;
mod gradients;
mod judge;
mod networks;
mod overfit;
mod resume;
mod training;
