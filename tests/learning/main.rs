//! Networks, losses and training.

mod gradients;
mod networks;
mod resume;
