//! Signal processing: windows, short-time Fourier transform, mel scale, resampling, level.

pub mod level;
pub mod mel;
pub mod resample;
pub mod stft;
pub mod window;
