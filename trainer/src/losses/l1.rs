//! Mean absolute error.

use candle_core::{Result, Tensor};

/// `mean(|a - b|)` over all elements of two equal shapes.
///
/// # Errors
/// If the shapes differ.
pub fn l1(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    a.sub(b)?.abs()?.mean_all()
}
