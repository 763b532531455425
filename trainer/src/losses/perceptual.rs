//! Distance in the features of a network that has learnt to hear (Johnson et al. 2016).

use candle_core::{D, Result, Tensor};
use serde::{Deserialize, Serialize};

use super::gram_style::mean;

/// Keeps the division finite where nothing is heard.
const POWER_FLOOR: f64 = 1e-6;

/// How much a channel of a feature counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelWeights {
    /// As it comes: `mean((a - b)^2) / mean(b^2)` of a layer, so that no layer speaks louder than
    /// another. Loud channels and places count more.
    #[default]
    Uniform,
    /// As in LPIPS (Zhang et al. 2018, *The unreasonable effectiveness of deep features as a
    /// perceptual metric*, eq. 1): at every place the features are brought to length 1 over their
    /// channels, then the squared differences are summed over channels and averaged over places.
    /// The learnt weights `w` of that paper are 1, with which it is twice the cosine distance: they
    /// were fitted to people who looked at pictures, and nobody has fitted them to VGGish.
    Lpips,
}

/// Mean over layers of the distance that `channels` says.
///
/// Layers are `(B, H, W, C)`, the same network's features of the output and of the target, equal
/// shapes pairwise; the target's are taken as constants.
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

/// Features of length 1 over the channels, of less where almost nothing is heard.
fn unit(features: &Tensor) -> Result<Tensor> {
    let length = features.sqr()?.sum_keepdim(D::Minus1)?.affine(1.0, POWER_FLOOR)?.sqrt()?;
    features.broadcast_div(&length)
}
