//! The frozen network that the perceptual and the style loss listen through.

use candle_core::{Device, Tensor};
use engine::checkpoint::{Checkpoint, Kind};
use engine::config::MelConfig;
use engine::nn::candle::{Candle, ParamStore};
use engine::{Error, Result};

use crate::classifier::{Classifier, ClassifierShape};
use crate::vggish::{BANDS, FRAMES, FromOurMel, Vggish};
use crate::weights::fill;

/// A network with ears, on candle.
pub(super) struct FeatureNetwork {
    ops: Candle,
    ears: Ears,
}

enum Ears {
    /// Hears our images as they are.
    Classifier { network: Classifier<Candle>, n_mels: usize },
    /// Hears examples of its own, to which our images are mapped.
    Vggish { network: Vggish, from_our_mel: FromOurMel },
}

impl FeatureNetwork {
    /// The network of a checkpoint, whichever it is, for images of a config.
    pub(super) fn new(checkpoint: Checkpoint, mel: &MelConfig, device: &Device) -> Result<Self> {
        let mut weights = ParamStore::frozen(device);
        fill(&mut weights, &checkpoint.tensors);
        let ears = match checkpoint.kind {
            Kind::Vggish => {
                checkpoint.expect(&Vggish::parameters())?;
                let network = Vggish::load(&mut weights)?;
                Ears::Vggish { network, from_our_mel: FromOurMel::new(mel, device)? }
            }
            Kind::Classifier => {
                let shape: ClassifierShape = checkpoint.classifier_config()?;
                shape.validate()?;
                let network = Classifier::load(&mut &mut weights, &shape)?;
                Ears::Classifier { network, n_mels: shape.mel.n_mels }
            }
            Kind::Model | Kind::Autoencoder => {
                let found = "a network that plays";
                return Err(Error::checkpoint("kind", "`vggish` or `classifier`", found));
            }
        };
        Ok(Self { ops: Candle::new(device.clone()), ears })
    }

    /// Features of `image (B, n_mels, frames, 1)`, finest first, `(B, H, W, C)` each.
    ///
    /// VGGish's examples of one image follow each other along `H`, which is its time.
    pub(super) fn features(&mut self, image: &Tensor) -> Result<Vec<Tensor>> {
        match &self.ears {
            Ears::Classifier { network, n_mels } => {
                let found = image.dim(1)?;
                if found != *n_mels {
                    let expected = format!("{n_mels} mel bands");
                    return Err(Error::invalid("image of the feature loss", expected, found));
                }
                network.features(&mut self.ops, image)
            }
            Ears::Vggish { network, from_our_mel } => {
                let examples = from_our_mel.examples(image)?;
                let (images, count, _, _) = examples.dims4()?;
                let examples = examples.reshape((images * count, FRAMES, BANDS, 1))?;
                let joined = |x: Tensor| -> Result<Tensor> {
                    let (_, h, w, c) = x.dims4()?;
                    Ok(x.reshape((images, count * h, w, c))?)
                };
                network.features(&mut self.ops, &examples)?.into_iter().map(joined).collect()
            }
        }
    }
}
