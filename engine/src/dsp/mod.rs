//! Signal processing: windows, short-time Fourier transform, mel scale, resampling, level, true
//! peaks, limiter.

pub mod window;

pub mod stft;

pub mod filterbank;

pub mod mel;

pub mod resample;

pub mod level;

pub mod true_peak;

pub mod limiter;
