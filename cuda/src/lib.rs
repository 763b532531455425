//! Luthier's networks in a library of their own, which programs open at run time: on a CUDA GPU.
//!
//! This side of [`engine::library::abi`]: the candle executor behind C functions. With the feature
//! `cuda` the library asks for NVIDIA's driver and libraries as soon as it is opened; without, it
//! offers candle's CPU device alone, which tests the interface where there is no GPU.

mod call;
mod exports;
mod model;

pub use exports::{luthier_engine_functions, luthier_engine_version};
