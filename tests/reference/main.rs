//! Numbers of this repository, compared with other libraries.

mod dataset;
mod diffusion;
mod dsp;
mod networks;
mod optim;
mod transcription;
mod vggish;
mod vocoder;
