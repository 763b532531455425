//! Networks, losses and training.

mod candle_nn;
mod fixture;
mod gradients;
mod judge;
mod networks;
mod overfit;
mod resume;
mod training;
