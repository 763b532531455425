//! Luthier's networks on a CUDA GPU, in a library that programs open at run time.
//!
//! It implements [`engine::library::abi`] with the candle executor. With the feature `cuda`,
//! opening the library requires NVIDIA's driver and libraries. Without it, the library has only
//! candle's CPU device, which tests the interface on machines without a GPU.

mod call;
mod exports;
mod model;

pub use exports::{luthier_engine_functions, luthier_engine_version};
