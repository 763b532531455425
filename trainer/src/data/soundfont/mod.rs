//! Soundfonts: playing SF2 files, and writing new ones.
//!
//! [`synth`] renders scores with a soundfont's programs at 44.1 kHz, [`decimate`] halves the rate.
//! [`synthetic`] and [`sampled`] create soundfonts for training, [`toy`] one for tests.

pub mod decimate;
pub mod demo;
pub mod note_name;
pub mod pitch;
pub mod sampled;
pub mod sustain;
pub mod synth;
pub mod synthetic;
pub mod toy;
pub mod writer;
