//! The feature losses: images compared by what a network hears in them.

use std::path::Path;

use candle_core::{Device, Tensor};
use engine::Result;
use engine::checkpoint::Checkpoint;
use engine::config::MelConfig;

use super::feature_network::FeatureNetwork;
use super::gram_style::gram_style;
use super::perceptual::{ChannelWeights, perceptual};

/// The reports' feature loss: perceptual and style distance in the features of a frozen network,
/// which is VGGish, or our instrument classifier where nobody gave VGGish's weights (they are not
/// ours to ship).
pub struct VggishFeatureLoss {
    network: FeatureNetwork,
    channels: ChannelWeights,
}

impl VggishFeatureLoss {
    /// Reads the network's file; its weights are constants. `mel` is the config of the images to
    /// compare.
    ///
    /// # Errors
    /// As [`VggishFeatureLoss::new`], or if the file cannot be read.
    pub fn read(
        path: &Path,
        mel: &MelConfig,
        channels: ChannelWeights,
        device: &Device,
    ) -> Result<Self> {
        Self::new(Checkpoint::read(path)?, mel, channels, device)
    }

    /// The loss over a checkpoint's features.
    ///
    /// # Errors
    /// If the checkpoint is neither a whole classifier nor a whole VGGish.
    pub fn new(
        checkpoint: Checkpoint,
        mel: &MelConfig,
        channels: ChannelWeights,
        device: &Device,
    ) -> Result<Self> {
        Ok(Self { network: FeatureNetwork::new(checkpoint, mel, device)?, channels })
    }

    /// Features of `image (B, n_mels, frames, 1)`, finest first, `(B, H, W, C)` each.
    pub fn features(&mut self, image: &Tensor) -> Result<Vec<Tensor>> {
        self.network.features(image)
    }

    /// [`perceptual`] distance of two images.
    pub fn perceptual(&mut self, output: &Tensor, target: &Tensor) -> Result<Tensor> {
        let (output, target) = (self.features(output)?, self.features(&target.detach())?);
        Ok(perceptual(&output, &target, self.channels)?)
    }

    /// [`gram_style`] distance of two images.
    pub fn style(&mut self, output: &Tensor, target: &Tensor) -> Result<Tensor> {
        Ok(gram_style(&self.features(output)?, &self.features(&target.detach())?)?)
    }
}
