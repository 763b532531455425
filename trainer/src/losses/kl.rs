//! Pull of a deterministic latent's distribution towards N(0, 1).
//!
//! The reports' encoder gives one number per position, not a mean and a variance, so there is no
//! posterior to compare; penalising `|z|^2` alone would shrink the latent to a point. Instead the
//! batch itself is the sample: each channel's mean and variance over batch and positions are the
//! moments of a Gaussian, and the loss is its Kullback-Leibler divergence from N(0, 1), `(m^2 + s^2
//!   - 1 - ln s^2) / 2`, which is 0 exactly for zero mean and unit variance.

use candle_core::{Result, Tensor};

/// Keeps the logarithm finite for a channel that is constant.
const VARIANCE_FLOOR: f64 = 1e-6;

/// Mean over channels of the divergence; `latent (B, H, W, C)` or any shape with channels last.
pub fn kl(latent: &Tensor) -> Result<Tensor> {
    let channels = latent.dim(candle_core::D::Minus1)?;
    let samples = latent.reshape(((), channels))?;
    let mean = samples.mean_keepdim(0)?;
    let variance = samples.broadcast_sub(&mean)?.sqr()?.mean_keepdim(0)?;
    let log = variance.affine(1.0, VARIANCE_FLOOR)?.log()?;
    mean.sqr()?.add(&variance)?.sub(&log)?.affine(0.5, -0.5)?.mean_all()
}
