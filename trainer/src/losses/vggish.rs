//! The network that the perceptual and the style loss listen through.

use std::path::Path;

use candle_core::{Device, Tensor};
use engine::Result;
use engine::checkpoint::{Checkpoint, Kind};
use engine::nn::candle::{Candle, ParamStore};

use super::gram_style::gram_style;
use super::perceptual::perceptual;
use crate::classifier::{Classifier, ClassifierShape};

/// The reports' feature loss, over the features of a frozen [`Classifier`] (the reports: VGGish, whose weights are not
/// ours to ship).
pub struct VggishFeatureLoss {
    ops: Candle,
    network: Classifier<Candle>,
    n_mels: usize,
}

impl VggishFeatureLoss {
    /// Reads a classifier's model file; its weights are constants.
    pub fn read(path: &Path, device: &Device) -> Result<Self> {
        Self::new(Checkpoint::read(path)?, device)
    }

    /// The features of a classifier's checkpoint.
    pub fn new(checkpoint: Checkpoint, device: &Device) -> Result<Self> {
        checkpoint.require(Kind::Classifier)?;
        let shape: ClassifierShape = checkpoint.classifier_config()?;
        shape.validate()?;
        let mut weights = ParamStore::frozen(device);
        for (name, tensor) in checkpoint.tensors {
            weights.insert(name, tensor.shape, tensor.data);
        }
        let network = Classifier::load(&mut &mut weights, &shape)?;
        Ok(Self { ops: Candle::new(device.clone()), network, n_mels: shape.mel.n_mels })
    }

    /// Features of `image (B, n_mels, frames, 1)`, finest first.
    pub fn features(&mut self, image: &Tensor) -> Result<Vec<Tensor>> {
        let n_mels = image.dim(1)?;
        if n_mels != self.n_mels {
            return Err(engine::Error::invalid(
                "image of the feature loss",
                format!("{} mel bands", self.n_mels),
                n_mels,
            ));
        }
        self.network.features(&mut self.ops, image)
    }

    /// [`perceptual`] distance of two images.
    pub fn perceptual(&mut self, output: &Tensor, target: &Tensor) -> Result<Tensor> {
        Ok(perceptual(&self.features(output)?, &self.features(&target.detach())?)?)
    }

    /// [`gram_style`] distance of two images.
    pub fn style(&mut self, output: &Tensor, target: &Tensor) -> Result<Tensor> {
        Ok(gram_style(&self.features(output)?, &self.features(&target.detach())?)?)
    }
}
