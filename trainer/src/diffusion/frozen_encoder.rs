//! The frozen encoder of the autoencoder.

use anyhow::Result;
use candle_core::Device;
use engine::checkpoint::Checkpoint;
use engine::config::AutoencoderConfig;
use engine::image::MelImage;
use engine::models::ENCODER;
use engine::models::encoder::SpectrogramEncoder;
use engine::nn::Backend;
use engine::nn::candle::{Candle, ParamStore};
use engine::nn::packed::{Packed, TensorSource};
use training_kernels::Bf16;

use crate::images::as_batch;
use crate::weights::fill;

/// The encoder on the CPU, for training on any device, because it needs no gradients.
pub enum FrozenEncoder {
    /// On the engine's executor for inference.
    Packed(SpectrogramEncoder<Packed>),
    /// On the training executor with bf16 products, for CPUs on which these are much faster.
    Rounded(Candle, SpectrogramEncoder<Candle>),
}

impl FrozenEncoder {
    /// The encoder of a checkpoint, with bf16 products if `bf16` is set and they are much faster.
    ///
    /// # Errors
    /// If the checkpoint does not have the encoder's tensors.
    pub fn new(base: &Checkpoint, config: &AutoencoderConfig, bf16: Option<Bf16>) -> Result<Self> {
        let mut frozen = ParamStore::frozen(&Device::Cpu);
        fill(&mut frozen, &base.tensors);
        Ok(match bf16.filter(|bf16| bf16.has_tiles()) {
            Some(bf16) => Self::Rounded(
                Candle::new(Device::Cpu).with_kernel(bf16),
                SpectrogramEncoder::load(&mut &mut frozen, ENCODER, config)?,
            ),
            None => {
                let source = &mut (&frozen as &dyn TensorSource);
                Self::Packed(SpectrogramEncoder::load(source, ENCODER, config)?)
            }
        })
    }

    /// The latent of an image, `(H, W, C)`.
    ///
    /// # Errors
    /// If an operation fails.
    pub fn encode(&self, image: &MelImage) -> Result<Vec<f32>> {
        Ok(match self {
            Self::Packed(encoder) => {
                let ops = &mut Packed::default();
                let image = ops.tensor([1, image.n_mels, image.frames, 1], &image.data)?;
                let latent = encoder.forward(ops, &image)?;
                ops.data(&latent)?
            }
            Self::Rounded(ops, encoder) => {
                let ops = &mut ops.clone();
                let image = as_batch(std::slice::from_ref(image), ops.device())?;
                let latent = encoder.forward(ops, &image)?;
                ops.data(&latent)?
            }
        })
    }
}
