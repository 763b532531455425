//! The operations of all networks, and two executors for them.
//!
//! A network (see [`crate::models`]) is written once, generic over [`Backend`]. [`packed::Packed`]
//! runs it on the CPU. `candle::Candle` (feature `candle`) trains it and runs it on CUDA. All
//! activations have four dimensions, `(B, H, W, C)`: batch, mel bin (1 for tokens), frame (or
//! token), channel.
//!
//! ```
//! use engine::nn::Backend;
//! use engine::nn::packed::Packed;
//!
//! let mut ops = Packed::default();
//! let x = ops.tensor([1, 2, 2, 1], &[1.0, 2.0, 3.0, 4.0])?;
//! let mean = ops.mean(&x)?;
//! assert_eq!(ops.data(&mean)?, [2.5]);
//! # Ok::<(), engine::Error>(())
//! ```

pub mod backend;
#[cfg(feature = "candle")]
pub mod candle;
pub mod kernels;
pub mod layers;
pub mod packed;

pub use backend::{Backend, ConvSpec, Init};
