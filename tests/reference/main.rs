//! Our numbers against those of other people's libraries.

mod dataset;
mod diffusion;
mod dsp;
mod networks;
mod optim;
mod transcription;
mod vggish;
mod vocoder;
