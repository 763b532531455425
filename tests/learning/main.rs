//! Networks, losses and training.

mod networks;
