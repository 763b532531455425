//! KL loss: divergence of the latent's distribution from N(0, 1).
//!
//! The student report's encoder is deterministic: it has no posterior with mean and variance. A
//! penalty of `|z|^2` alone would reduce the latent to a point. Instead, the mean `m` and the
//! variance `s^2` of each channel over batch and positions define a Gaussian. The loss is its
//! Kullback-Leibler divergence from N(0, 1), `(m^2 + s^2 - 1 - ln s^2) / 2`. It is 0 for zero mean
//! and unit variance.

use candle_core::{Result, Tensor};

/// Avoids an infinite logarithm for a constant channel.
const VARIANCE_FLOOR: f64 = 1e-6;

/// Mean divergence over channels. `latent` is `(B, H, W, C)` or another shape with channels last.
///
/// # Errors
/// If a tensor operation fails.
pub fn kl(latent: &Tensor) -> Result<Tensor> {
    let channels = latent.dim(candle_core::D::Minus1)?;
    let samples = latent.reshape(((), channels))?;
    let mean = samples.mean_keepdim(0)?;
    let variance = samples.broadcast_sub(&mean)?.sqr()?.mean_keepdim(0)?;
    let log = variance.affine(1.0, VARIANCE_FLOOR)?.log()?;
    mean.sqr()?.add(&variance)?.sub(&log)?.affine(0.5, -0.5)?.mean_all()
}
