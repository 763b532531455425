//! The frozen autoencoder: images as standardised latents and back.

use std::collections::HashMap;

use anyhow::Result;
use candle_core::Tensor;
use engine::checkpoint::{Checkpoint, LatentStats};
use engine::config::ModelConfig;
use engine::image::MelImage;
use engine::models::DECODER;
use engine::models::decoder::SpectrogramDecoder;
use engine::nn::candle::{Bf16, Candle, ParamStore};
use half::f16;
use rayon::prelude::*;

use super::frozen_encoder::FrozenEncoder;
use crate::data::dataset::ImageRef;
use crate::data::image_set::ImageSet;
use crate::weights::fill;

/// Latents of a dataset's images, zero mean and unit variance each channel.
pub struct Latents {
    encoder: FrozenEncoder,
    decoder: SpectrogramDecoder<Candle>,
    statistics: LatentStats,
    dims: [usize; 3],
    known: HashMap<ImageRef, Vec<f16>>,
}

impl Latents {
    /// The autoencoder of a checkpoint; its variables are constants here.
    /// Images are encoded in bf16 where products are to be of it.
    pub fn new(
        base: &Checkpoint,
        config: &ModelConfig,
        ops: &Candle,
        bf16: Option<Bf16>,
    ) -> Result<Self> {
        let encoder = FrozenEncoder::new(base, &config.autoencoder, bf16)?;
        let mut frozen = ParamStore::frozen(ops.device());
        fill(&mut frozen, &base.tensors);
        let decoder = SpectrogramDecoder::load(&mut &mut frozen, DECODER, &config.autoencoder)?;
        let reduction = config.autoencoder.reduction();
        let dims = [
            config.mel.n_mels / reduction,
            config.window.frames / reduction,
            config.autoencoder.latent_channels,
        ];
        Ok(Self { encoder, decoder, statistics: base.latent.clone(), dims, known: HashMap::new() })
    }

    /// Height, width and channels of a latent.
    pub fn dims(&self) -> [usize; 3] {
        self.dims
    }

    /// Encodes what was not asked for before.
    ///
    /// Every image goes through the encoder alone: a latent must not depend on the company it was
    /// encoded in, or a resumed run, which asks in another order, would differ in the last bit.
    pub fn keep(&mut self, data: &dyn ImageSet, wanted: &[ImageRef]) -> Result<()> {
        let mut new: Vec<ImageRef> =
            wanted.iter().copied().filter(|at| !self.known.contains_key(at)).collect();
        new.sort_unstable();
        new.dedup();
        let encoded = new.into_par_iter().map(|at| Ok((at, self.encode(&data.mel_image(at))?)));
        let encoded: Vec<(ImageRef, Vec<f16>)> = encoded.collect::<Result<_>>()?;
        self.known.extend(encoded);
        Ok(())
    }

    /// Forgets the latents of a setup whose images are others now.
    pub fn forget(&mut self, setup: usize) {
        self.known.retain(|at, _| at.setup != setup);
    }

    /// The latent of an image `(H, W, C)`.
    ///
    /// # Panics
    /// If it was not [kept](Self::keep).
    pub fn kept(&self, at: ImageRef) -> Vec<f32> {
        self.known[&at].iter().map(|value| value.to_f32()).collect()
    }

    /// The latent of an image that no dataset holds, encoded anew, with the rounding of those that
    /// are kept.
    pub fn of_image(&self, image: &MelImage) -> Result<Vec<f32>> {
        Ok(self.encode(image)?.iter().map(|value| value.to_f32()).collect())
    }

    fn encode(&self, image: &MelImage) -> Result<Vec<f16>> {
        Ok(self.standardised(&self.encoder.encode(image)?))
    }

    fn standardised(&self, latent: &[f32]) -> Vec<f16> {
        let LatentStats { mean, std } = &self.statistics;
        let channels = mean.iter().zip(std).cycle();
        latent
            .iter()
            .zip(channels)
            .map(|(v, (mean, std))| f16::from_f32((v - mean) / std))
            .collect()
    }

    /// Standardised latents `(B, H, W, C)` -> images `(B, n_mels, frames, 1)`, not clipped.
    pub fn decode(&self, ops: &mut Candle, latent: &Tensor) -> Result<Tensor> {
        let row = |values: &[f32]| Tensor::from_slice(values, values.len(), ops.device());
        let (mean, std) = (row(&self.statistics.mean)?, row(&self.statistics.std)?);
        let raw = latent.broadcast_mul(&std)?.broadcast_add(&mean)?;
        Ok(self.decoder.forward(ops, &raw)?)
    }

    /// Weight of each channel's error: `std^power`, scaled to mean 1 (a channel that spreads wide
    /// moves the image more than one that does not).
    pub fn channel_weights(&self, power: f64, ops: &Candle) -> Result<Tensor> {
        let raw: Vec<f64> = self.statistics.std.iter().map(|s| f64::from(*s).powf(power)).collect();
        let mean = raw.iter().sum::<f64>() / raw.len() as f64;
        let weights: Vec<f32> = raw.iter().map(|v| (v / mean) as f32).collect();
        Ok(Tensor::from_vec(weights, raw.len(), ops.device())?)
    }
}
