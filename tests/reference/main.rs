//! Our numbers against those of other people's libraries.

mod diffusion;
mod dsp;
mod networks;
mod optim;
mod transcription;
mod vocoder;
