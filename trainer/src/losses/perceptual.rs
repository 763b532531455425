//! Perceptual loss: distance of the features of a trained network (Johnson et al. 2016).

use candle_core::{D, Result, Tensor};
use serde::{Deserialize, Serialize};

use super::gram_style::mean;

/// Avoids a division by zero for features of 0.
const POWER_FLOOR: f64 = 1e-6;

/// Weights of the channels of a feature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelWeights {
    /// `mean((a - b)^2) / mean(b^2)` of each layer, so that all layers have equal weight. Channels
    /// and positions with large features have more weight.
    #[default]
    Uniform,
    /// As in LPIPS (Zhang et al. 2018, *The unreasonable effectiveness of deep features as a
    /// perceptual metric*, eq. 1). At every position, features are normalised to length 1 over
    /// their channels. The squared differences are summed over channels and averaged over
    /// positions. The trained weights `w` of that paper are 1 here, so it is twice the cosine
    /// distance: there are no trained weights for VGGish.
    Lpips,
}

/// Mean over layers of the distance that `channels` selects.
///
/// Layers are `(B, H, W, C)` of one network for output and target, with equal shapes. The target has
/// no gradient.
///
/// # Errors
/// If the shapes differ.
pub fn perceptual(
    output: &[Tensor],
    target: &[Tensor],
    channels: ChannelWeights,
) -> Result<Tensor> {
    let distance = match channels {
        ChannelWeights::Uniform => relative,
        ChannelWeights::Lpips => between_directions,
    };
    let distances =
        output.iter().zip(target).map(|(output, target)| distance(output, &target.detach()));
    mean(distances.collect::<Result<Vec<_>>>()?)
}

fn relative(output: &Tensor, target: &Tensor) -> Result<Tensor> {
    let power = target.sqr()?.mean_all()?.affine(1.0, POWER_FLOOR)?;
    output.sub(target)?.sqr()?.mean_all()?.div(&power)
}

fn between_directions(output: &Tensor, target: &Tensor) -> Result<Tensor> {
    unit(output)?.sub(&unit(target)?)?.sqr()?.sum(D::Minus1)?.mean_all()
}

/// Features with length 1 over the channels, or less for features near 0.
fn unit(features: &Tensor) -> Result<Tensor> {
    let length = features.sqr()?.sum_keepdim(D::Minus1)?.affine(1.0, POWER_FLOOR)?.sqrt()?;
    features.broadcast_div(&length)
}
