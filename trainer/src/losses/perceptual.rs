//! Distance in the features of a network that has learnt to hear (Johnson et al. 2016).

use candle_core::{Result, Tensor};

use super::gram_style::mean;

/// Keeps the division finite for a silent target.
const POWER_FLOOR: f64 = 1e-6;

/// Mean over layers of `mean((a - b)^2) / mean(b^2)`, so that no layer speaks louder than another.
///
/// Layers are the same network's features of the output and of the target, equal shapes pairwise; the target's are
/// taken as constants.
pub fn perceptual(output: &[Tensor], target: &[Tensor]) -> Result<Tensor> {
    let distances = output.iter().zip(target).map(|(output, target)| {
        let target = target.detach();
        let power = target.sqr()?.mean_all()?.affine(1.0, POWER_FLOOR)?;
        output.sub(&target)?.sqr()?.mean_all()?.div(&power)
    });
    mean(distances.collect::<Result<Vec<_>>>()?)
}
