//! Our numbers against those of other people's libraries.

mod dsp;
mod networks;
