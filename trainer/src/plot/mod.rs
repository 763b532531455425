//! Pictures as PNG files: spectrograms and curves. The crate `plot` has the font and the colours.

pub mod curves;
pub mod image_table;

pub use curves::{Curve, Curves};
pub use image_table::ImageTable;
