//! reference

mod dsp;
