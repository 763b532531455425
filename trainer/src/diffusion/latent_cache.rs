//! The frozen autoencoder: images to standardised latents and back.

use std::collections::HashMap;

use anyhow::Result;
use candle_core::Tensor;
use engine::checkpoint::{Checkpoint, LatentStats};
use engine::config::ModelConfig;
use engine::image::MelImage;
use engine::models::DECODER;
use engine::models::decoder::SpectrogramDecoder;
use engine::nn::candle::{Candle, ParamStore};
use half::f16;
use rayon::prelude::*;
use training_kernels::Bf16;

use super::frozen_encoder::FrozenEncoder;
use crate::data::dataset::{ImageRef, ImageSet};
use crate::weights::fill;

/// Latents of a dataset's images. Each channel has zero mean and unit variance.
pub struct LatentCache {
    encoder: FrozenEncoder,
    decoder: SpectrogramDecoder<Candle>,
    statistics: LatentStats,
    dims: [usize; 3],
    latents: HashMap<ImageRef, Vec<f16>>,
}

impl LatentCache {
    /// With the autoencoder of a checkpoint. Its weights are constants here. With `bf16`, the
    /// encoder multiplies in bf16.
    ///
    /// # Errors
    /// If the checkpoint does not have the autoencoder's tensors.
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
        let statistics = base.latent.clone();
        Ok(Self { encoder, decoder, statistics, dims, latents: HashMap::new() })
    }

    /// Height, width and channels of a latent.
    pub fn dims(&self) -> [usize; 3] {
        self.dims
    }

    /// Encodes those images that are not in the cache.
    ///
    /// Every image is encoded alone, so that its latent does not depend on other images of a batch.
    /// Otherwise a resumed run would differ in the last bit, because it encodes in another order.
    ///
    /// # Errors
    /// If the encoder fails.
    pub fn encode(&mut self, data: &dyn ImageSet, images: &[ImageRef]) -> Result<()> {
        let mut new: Vec<ImageRef> =
            images.iter().copied().filter(|at| !self.latents.contains_key(at)).collect();
        new.sort_unstable();
        new.dedup();
        let encoded = new.into_par_iter().map(|at| Ok((at, self.encode_f16(&data.mel_image(at))?)));
        let encoded: Vec<(ImageRef, Vec<f16>)> = encoded.collect::<Result<_>>()?;
        self.latents.extend(encoded);
        Ok(())
    }

    /// The latent of an image, `(H, W, C)`.
    ///
    /// # Panics
    /// If it was not [encoded](Self::encode).
    pub fn get(&self, at: ImageRef) -> Vec<f32> {
        self.latents[&at].iter().map(|value| value.to_f32()).collect()
    }

    /// Encodes an image that is not in a dataset, with the same rounding as the cache.
    ///
    /// # Errors
    /// If the encoder fails.
    pub fn encode_image(&self, image: &MelImage) -> Result<Vec<f32>> {
        Ok(self.encode_f16(image)?.iter().map(|value| value.to_f32()).collect())
    }

    fn encode_f16(&self, image: &MelImage) -> Result<Vec<f16>> {
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

    /// Decodes standardised latents `(B, H, W, C)` to images `(B, n_mels, frames, 1)`, without
    /// clipping.
    ///
    /// # Errors
    /// If a tensor operation fails.
    pub fn decode(&self, ops: &mut Candle, latent: &Tensor) -> Result<Tensor> {
        let row = |values: &[f32]| Tensor::from_slice(values, values.len(), ops.device());
        let (mean, std) = (row(&self.statistics.mean)?, row(&self.statistics.std)?);
        let raw = latent.broadcast_mul(&std)?.broadcast_add(&mean)?;
        Ok(self.decoder.forward(ops, &raw)?)
    }

    /// Weight of each channel's error: `std^power`, scaled to mean 1. A channel with a large
    /// deviation has more effect on the image.
    ///
    /// # Errors
    /// If the tensor cannot be created.
    pub fn channel_weights(&self, power: f64, ops: &Candle) -> Result<Tensor> {
        let raw: Vec<f64> = self.statistics.std.iter().map(|s| f64::from(*s).powf(power)).collect();
        let mean = raw.iter().sum::<f64>() / raw.len() as f64;
        let weights: Vec<f32> = raw.iter().map(|v| (v / mean) as f32).collect();
        Ok(Tensor::from_vec(weights, raw.len(), ops.device())?)
    }
}
