//! Luthier's audio engine: DSP, networks, diffusion, vocoder and the real-time stream.
//!
//! It depends on no plugin host and no window system. The signal path:
//!
//! ```text
//! audio_file | host block
//!   -> stream    (Windower -> worker -> OverlapAdd: blocks in, blocks out)
//!   -> dsp       (Resampler, Level, MelFrontEnd)
//!   -> models    (SpectrogramEncoder, StyleEncoder, UNet, SpectrogramDecoder, written over `nn`)
//!   -> diffusion (NoiseSchedule, DdimSampler)
//!   -> vocoder   (content-guided, or Griffin-Lim)
//! ```
//!
//! [`pipeline`] joins the stages for one window. [`checkpoint`] reads model files. [`library`] runs
//! the networks on a GPU.
//!
//! The folder `engine/examples` has programs that transfer a file, feed a real-time stream and add
//! a processor.

pub mod audio_file;
pub mod cancel;
pub mod checkpoint;
pub mod config;
pub mod diffusion;
pub mod dsp;
pub mod error;
pub mod generate;
pub mod image;
pub mod inference_model;
pub mod latency_mode;
pub mod library;
pub mod models;
pub mod nn;
pub mod pipeline;
pub mod reference;
mod regular_file;
pub mod settings;
pub mod stream;
pub mod style;
pub mod vocoder;
pub mod whole_file;

pub use error::{Error, Result};
