//! The frozen network of the perceptual and the style loss.

use candle_core::{Device, Tensor};
use engine::checkpoint::{Checkpoint, Kind};
use engine::config::MelConfig;
use engine::nn::candle::{Candle, ParamStore};
use engine::{Error, Result};

use crate::classifier::{Classifier, ClassifierShape};
use crate::vggish::{BANDS, FRAMES, FromOurMel, Vggish};
use crate::weights::fill;

/// A frozen classifier or VGGish on candle.
pub(super) struct FeatureNetwork {
    ops: Candle,
    network: Network,
}

enum Network {
    /// Its input is the model's images.
    Classifier { classifier: Classifier<Candle>, n_mels: usize },
    /// Its input is examples of another format, to which the model's images are converted.
    Vggish { vggish: Vggish, from_our_mel: FromOurMel },
}

impl FeatureNetwork {
    /// The network of a checkpoint, for images of a config.
    ///
    /// # Errors
    /// If the checkpoint is neither a complete classifier nor a complete VGGish.
    pub(super) fn new(checkpoint: Checkpoint, mel: &MelConfig, device: &Device) -> Result<Self> {
        let mut weights = ParamStore::frozen(device);
        fill(&mut weights, &checkpoint.tensors);
        let network = match checkpoint.kind {
            Kind::Vggish => {
                checkpoint.expect(&Vggish::parameters())?;
                let vggish = Vggish::load(&mut weights)?;
                Network::Vggish { vggish, from_our_mel: FromOurMel::new(mel, device)? }
            }
            Kind::Classifier => {
                let shape: ClassifierShape = checkpoint.classifier_config()?;
                shape.validate()?;
                let classifier = Classifier::load(&mut &mut weights, &shape)?;
                Network::Classifier { classifier, n_mels: shape.mel.n_mels }
            }
            Kind::Model | Kind::Autoencoder => {
                let found = "a model or an autoencoder";
                return Err(Error::checkpoint("kind", "`vggish` or `classifier`", found));
            }
        };
        Ok(Self { ops: Candle::new(device.clone()), network })
    }

    /// Features of `image (B, n_mels, frames, 1)`, finest first, `(B, H, W, C)` each.
    ///
    /// VGGish has several examples for one image. They are concatenated along `H`, its time axis.
    ///
    /// # Errors
    /// If the image has another number of bands than the classifier's.
    pub(super) fn features(&mut self, image: &Tensor) -> Result<Vec<Tensor>> {
        match &self.network {
            Network::Classifier { classifier, n_mels } => {
                let found = image.dim(1)?;
                if found != *n_mels {
                    let expected = format!("{n_mels} mel bands");
                    return Err(Error::invalid("image of the feature loss", expected, found));
                }
                classifier.features(&mut self.ops, image)
            }
            Network::Vggish { vggish, from_our_mel } => {
                let examples = from_our_mel.examples(image)?;
                let (images, count, _, _) = examples.dims4()?;
                let examples = examples.reshape((images * count, FRAMES, BANDS, 1))?;
                let joined = |x: Tensor| -> Result<Tensor> {
                    let (_, h, w, c) = x.dims4()?;
                    Ok(x.reshape((images, count * h, w, c))?)
                };
                vggish.features(&mut self.ops, &examples)?.into_iter().map(joined).collect()
            }
        }
    }
}
