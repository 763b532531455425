//! Style loss: correlations of features, independent of their position (Gatys et al. 2016).

use candle_core::{Result, Tensor};

/// Gram matrices over positions, `(B, H, W, C) -> (B, C, C)`, divided by the number of positions.
///
/// # Errors
/// If a tensor operation fails.
pub fn gram(features: &Tensor) -> Result<Tensor> {
    let (batch, height, width, channels) = features.dims4()?;
    let positions = features.reshape((batch, height * width, channels))?;
    let transposed = positions.transpose(1, 2)?.contiguous()?;
    transposed.matmul(&positions.contiguous()?)?.affine(1.0 / (height * width) as f64, 0.0)
}

/// Mean over layers of the mean squared difference of Gram matrices.
///
/// Layers are `(B, H, W, C)` of one network for output and target. Heights and widths may differ
/// between the two. If `target` is detached, only `output` has gradients.
///
/// # Errors
/// If the numbers of channels differ.
pub fn gram_style(output: &[Tensor], target: &[Tensor]) -> Result<Tensor> {
    let distances = output
        .iter()
        .zip(target)
        .map(|(output, target)| gram(output)?.sub(&gram(target)?)?.sqr()?.mean_all());
    mean(distances.collect::<Result<Vec<_>>>()?)
}

/// The mean of scalars.
pub(super) fn mean(scalars: Vec<Tensor>) -> Result<Tensor> {
    Tensor::stack(&scalars, 0)?.mean_all()
}
