//! Pictures as PNG files: spectrograms and curves. They need neither a display nor system fonts.

pub mod colour;
pub mod curves;
pub mod font;
pub mod image_table;

pub use curves::{Curve, Curves};
pub use image_table::ImageTable;
