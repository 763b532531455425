//! From magnitudes to audio.

pub mod griffin_lim;
pub mod guided;
