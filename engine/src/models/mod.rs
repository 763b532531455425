//! The networks, each one text over [`crate::nn::Backend`]. They know no files.

pub mod cross_attention;
pub mod decoder;
pub mod encoder;
pub mod position;
pub mod style;
pub mod unet;
