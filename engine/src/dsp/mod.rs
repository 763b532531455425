//! Signal processing: windows, short-time Fourier transform, mel scale, resampling, level.

pub mod window;

pub mod stft;

pub mod filterbank;

pub mod mel;

pub mod resample;

pub mod level;
