//! Mean squared error.

use candle_core::{Result, Tensor};

/// `mean((a - b)^2)` over all elements of two equal shapes.
///
/// # Errors
/// If the shapes differ.
pub fn mse(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    a.sub(b)?.sqr()?.mean_all()
}
