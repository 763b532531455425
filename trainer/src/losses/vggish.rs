//! The feature losses: perceptual and style loss on the features of a frozen network.

use std::path::Path;

use candle_core::{Device, Tensor};
use engine::Result;
use engine::checkpoint::Checkpoint;
use engine::config::MelConfig;

use super::feature_network::FeatureNetwork;
use super::gram_style::gram_style;
use super::perceptual::{ChannelWeights, perceptual};

/// The student report's feature loss: perceptual and style distance of the features of a frozen
/// network. The network is VGGish or an instrument classifier. The repository does not contain
/// VGGish's weights.
pub struct VggishFeatureLoss {
    network: FeatureNetwork,
    channels: ChannelWeights,
}

impl VggishFeatureLoss {
    /// Reads the network's file. Its weights are constants. `mel` is the config of the images.
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

    /// The loss with the network of a checkpoint.
    ///
    /// # Errors
    /// If the checkpoint is neither a complete classifier nor a complete VGGish.
    pub fn new(
        checkpoint: Checkpoint,
        mel: &MelConfig,
        channels: ChannelWeights,
        device: &Device,
    ) -> Result<Self> {
        Ok(Self { network: FeatureNetwork::new(checkpoint, mel, device)?, channels })
    }

    /// Features of `image (B, n_mels, frames, 1)`, finest first, `(B, H, W, C)` each.
    ///
    /// # Errors
    /// If the image has another number of bands than the network's.
    pub fn features(&mut self, image: &Tensor) -> Result<Vec<Tensor>> {
        self.network.features(image)
    }

    /// [`perceptual`] distance of two images.
    ///
    /// # Errors
    /// As [`Self::features`].
    pub fn perceptual(&mut self, output: &Tensor, target: &Tensor) -> Result<Tensor> {
        let (output, target) = (self.features(output)?, self.features(&target.detach())?);
        Ok(perceptual(&output, &target, self.channels)?)
    }

    /// [`gram_style`] distance of two images.
    ///
    /// # Errors
    /// As [`Self::features`].
    pub fn style(&mut self, output: &Tensor, target: &Tensor) -> Result<Tensor> {
        Ok(gram_style(&self.features(output)?, &self.features(&target.detach())?)?)
    }
}
