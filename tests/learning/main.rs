//! Networks, losses and training.

mod networks;
mod resume;
