//! The small set of operations that every network is written in, and its two executors.
//!
//! A network (see [`crate::models`]) is one text, generic over [`Backend`]. `candle::Candle` (with
//! the feature `candle`) trains it and runs it on CUDA, [`packed::Packed`] plays it on the CPU. Activations are
//! four-dimensional everywhere: `(B, H, W, C)` = batch, mel bin (1 for tokens), frame (or token),
//! channel.

pub mod backend;
#[cfg(feature = "candle")]
pub mod candle;
pub mod kernels;
pub mod layers;
pub mod packed;

pub use backend::{Backend, ConvSpec, Init};
