//! Pictures as PNG: spectrogram panels and curves, with a font of our own (no screen, no system
//! font).

pub mod colour;
pub mod curves;
pub mod font;
pub mod image_table;

pub use curves::{Curve, Curves};
pub use image_table::ImageTable;
