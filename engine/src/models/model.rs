//! A complete transfer model on one executor, with standardised latents.

use super::position::SinusoidalPositionEmbedding;
use super::style::Style;
use super::unet::{Conditions, MASK_CHANNELS, StyleKv};
use super::{Autoencoder, Denoiser};
use crate::config::ModelConfig;
use crate::image::MelImage;
use crate::nn::Backend;
use crate::style::StyleTokens;
use crate::style::profile::{BAND_STATISTICS, mean_profile};
use crate::{Error, Result};

/// Sizes of a latent: rows (mel), columns (time), channels.
pub type LatentDims = [usize; 3];

/// The conditioning of one prediction.
#[derive(Clone, Copy)]
pub struct Conditioning<'a> {
    /// Standardised content latent `(H, W, C)`; `None` for no content.
    pub content: Option<&'a [f32]>,
    /// Style tokens; `None` for no style.
    pub style: Option<&'a StyleTokens>,
    /// Number of leading columns of the noisy latent that hold the clean prefix.
    pub prefix_columns: usize,
}

/// Networks, config and latent statistics.
pub struct Model<B: Backend> {
    config: ModelConfig,
    mean: Vec<f32>,
    std: Vec<f32>,
    autoencoder: Autoencoder<B>,
    denoiser: Denoiser<B>,
}

impl<B: Backend> Model<B> {
    /// Builds the model. `mean` and `std` have one value per latent channel.
    pub fn load(
        source: &mut B::Source<'_>,
        config: ModelConfig,
        mean: Vec<f32>,
        std: Vec<f32>,
    ) -> Result<Self> {
        config.validate()?;
        let autoencoder = Autoencoder::load(source, &config.autoencoder)?;
        let denoiser = Denoiser::load(source, &config)?;
        Ok(Self { config, mean, std, autoencoder, denoiser })
    }

    /// The model's config.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The size of the latent of an image of `n_mels x frames`.
    pub fn latent_dims(&self, n_mels: usize, frames: usize) -> LatentDims {
        let r = self.config.autoencoder.reduction();
        [n_mels / r, frames / r, self.config.autoencoder.latent_channels]
    }

    /// Image -> standardised latent `(H, W, C)`.
    ///
    /// # Errors
    /// If the image has another number of bands, or its frames are no multiple of the reduction.
    pub fn encode(&self, ops: &mut B, image: &MelImage) -> Result<Vec<f32>> {
        self.check_size(image.n_mels, image.frames)?;
        let image = ops.tensor([1, image.n_mels, image.frames, 1], &image.data)?;
        let latent = self.autoencoder.encoder.forward(ops, &image)?;
        let mut latent = ops.data(&latent)?;
        for position in latent.chunks_exact_mut(self.mean.len()) {
            for ((v, mean), std) in position.iter_mut().zip(&self.mean).zip(&self.std) {
                *v = (*v - mean) / std;
            }
        }
        Ok(latent)
    }

    /// Standardised latent `(H, W, C)` -> image, clipped to `[0, 1]`.
    pub fn decode(&self, ops: &mut B, latent: &[f32], dims: LatentDims) -> Result<MelImage> {
        let [h, w, c] = dims;
        let mut raw = latent.to_vec();
        for position in raw.chunks_exact_mut(c) {
            for ((v, mean), std) in position.iter_mut().zip(&self.mean).zip(&self.std) {
                *v = *v * std + mean;
            }
        }
        let raw = ops.tensor([1, h, w, c], &raw)?;
        let image = self.autoencoder.decoder.forward(ops, &raw)?;
        let [_, n_mels, frames, _] = ops.dims(&image);
        let data = ops.data(&image)?.into_iter().map(|v| v.clamp(0.0, 1.0)).collect();
        Ok(MelImage { n_mels, frames, data })
    }

    /// Reference images of equal size -> style: the tokens of all images and the mean of their
    /// pooled vectors.
    ///
    /// # Errors
    /// If there are no images, or one has another size.
    pub fn style_tokens(&self, ops: &mut B, images: &[MelImage]) -> Result<StyleTokens> {
        if images.is_empty() {
            return Err(Error::invalid("style reference", "at least one audible window", "none"));
        }
        let dim = self.config.style.dim;
        let mut style = StyleTokens { dim, ..StyleTokens::default() };
        for image in images {
            self.check_size(image.n_mels, image.frames)?;
            let image = ops.tensor([1, image.n_mels, image.frames, 1], &image.data)?;
            let Style { tokens, pooled, logits } = self.denoiser.style.forward(ops, &image)?;
            style.tokens.extend(ops.data(&tokens)?);
            accumulate(&mut style.pooled, &ops.data(&pooled)?, images.len());
            accumulate(&mut style.instruments, &softmax(&ops.data(&logits)?), images.len());
        }
        if self.has_profiles() {
            style.profile = mean_profile(images);
        }
        Ok(style)
    }

    /// The denoiser's prediction for each conditioning on the same noisy latent, in one batch. All
    /// styles must have equally many tokens.
    pub fn denoise(
        &self,
        ops: &mut B,
        noisy: &[f32],
        dims: LatentDims,
        timestep: usize,
        conditionings: &[Conditioning],
    ) -> Result<Vec<Vec<f32>>> {
        let style = self.precompute_style(ops, conditionings)?;
        self.denoise_with_style(ops, noisy, dims, timestep, conditionings, &style)
    }

    /// As [`Model::denoise`], with the conditionings' styles precomputed.
    pub fn denoise_with_style(
        &self,
        ops: &mut B,
        noisy: &[f32],
        dims: LatentDims,
        timestep: usize,
        conditionings: &[Conditioning],
        style: &StyleKv<B>,
    ) -> Result<Vec<Vec<f32>>> {
        let padded = self.padded(dims);
        let [h, w, c] = padded;
        let (batch, size) = (conditionings.len(), h * w * c);
        let noisy = widen(noisy, dims, padded).repeat(batch);
        let noisy = ops.tensor([batch, h, w, c], &noisy)?;
        let (mut content, mut mask) =
            (Vec::with_capacity(batch * size), Vec::with_capacity(batch * h * w * MASK_CHANNELS));
        for conditioning in conditionings {
            match conditioning.content {
                Some(latent) => content.extend(widen(latent, dims, padded)),
                None => content.resize(content.len() + size, 0.0),
            }
            let has_content = if conditioning.content.is_some() { 1.0 } else { 0.0 };
            mask.extend((0..h * w).flat_map(|p| {
                [if p % w < conditioning.prefix_columns { 1.0 } else { 0.0 }, has_content]
            }));
        }
        let content = ops.tensor([batch, h, w, c], &content)?;
        let mask = ops.tensor([batch, h, w, MASK_CHANNELS], &mask)?;
        let embedding = SinusoidalPositionEmbedding::embed(
            timestep as f32,
            SinusoidalPositionEmbedding::TIMESTEP_DIM,
        );
        let timestep = ops.tensor([batch, 1, 1, embedding.len()], &embedding.repeat(batch))?;
        let conditions = Conditions { content: &content, mask: &mask, timestep: &timestep, style };
        let prediction = self.denoiser.unet.forward(ops, &noisy, &conditions)?;
        let prediction = ops.data(&prediction)?;
        Ok(prediction.chunks_exact(size).map(|one| narrow(one, padded, dims)).collect())
    }

    /// Precomputes the conditionings' styles in one batch. A dropped style is zero.
    pub fn precompute_style(
        &self,
        ops: &mut B,
        conditionings: &[Conditioning],
    ) -> Result<StyleKv<B>> {
        let dim = self.config.style.dim;
        let count =
            conditionings.iter().filter_map(|g| g.style).map(StyleTokens::count).max().unwrap_or(1);
        let sizes = [count * dim, dim, self.profile_len()];
        let mut parts = [(); 3].map(|()| Vec::new());
        for conditioning in conditionings {
            let values = conditioning.style.map(style_parts);
            if let Some(values) = values
                && values.map(<[f32]>::len) != sizes
            {
                let [tokens, pooled, profile] = values.map(<[f32]>::len);
                let expected =
                    format!("{} values, {} pooled, {} of a profile", sizes[0], sizes[1], sizes[2]);
                let found = format!("{tokens}, {pooled}, {profile}");
                return Err(Error::invalid("style tokens", expected, found));
            }
            for (i, part) in parts.iter_mut().enumerate() {
                match values {
                    Some(values) => part.extend_from_slice(values[i]),
                    None => part.resize(part.len() + sizes[i], 0.0),
                }
            }
        }
        let [tokens, pooled, profile] = parts;
        let tokens = ops.tensor([conditionings.len(), 1, count, dim], &tokens)?;
        let pooled = ops.tensor([conditionings.len(), 1, 1, dim], &pooled)?;
        let profile = match self.profile_len() {
            0 => None,
            _ => Some(self.profile_rows(ops, &profile, conditionings.len())?),
        };
        self.denoiser.unet.precompute_style(ops, &tokens, &pooled, profile.as_ref())
    }

    /// Whether all parts of a style have this model's sizes.
    pub fn fits(&self, style: &StyleTokens) -> bool {
        let dim = self.config.style.dim;
        style.dim == dim && style.pooled.len() == dim && style.profile.len() == self.profile_len()
    }

    fn has_profiles(&self) -> bool {
        self.config.unet.profile_channels > 0
    }

    fn profile_len(&self) -> usize {
        if self.has_profiles() { self.config.mel.n_mels * BAND_STATISTICS } else { 0 }
    }

    /// Spectral profiles in rows of the latent, padded like latents.
    fn profile_rows(&self, ops: &mut B, profiles: &[f32], count: usize) -> Result<B::Tensor> {
        let statistics = self.config.autoencoder.reduction() * BAND_STATISTICS;
        let dims = [self.profile_len() / statistics, 1, statistics];
        let [rows, ..] = self.padded(dims);
        let profiles = profiles.chunks_exact(self.profile_len());
        let widened: Vec<f32> =
            profiles.flat_map(|one| widen(one, dims, [rows, 1, statistics])).collect();
        ops.tensor([count, rows, 1, statistics], &widened)
    }

    fn check_size(&self, n_mels: usize, frames: usize) -> Result<()> {
        let r = self.config.autoencoder.reduction();
        if n_mels != self.config.mel.n_mels {
            return Err(Error::invalid(
                "mel image",
                format!("{} bands", self.config.mel.n_mels),
                n_mels,
            ));
        }
        if frames == 0 || !frames.is_multiple_of(r) {
            return Err(Error::invalid("mel image", format!("a multiple of {r} frames"), frames));
        }
        Ok(())
    }

    /// Pads rows and columns to multiples of the denoiser's total downsampling.
    fn padded(&self, [h, w, c]: LatentDims) -> LatentDims {
        let unit = 1 << (self.config.unet.channels.len() - 1);
        [h.next_multiple_of(unit), w.next_multiple_of(unit), c]
    }
}

/// The parts of a style that the denoiser uses.
fn style_parts(style: &StyleTokens) -> [&[f32]; 3] {
    [&style.tokens, &style.pooled, &style.profile]
}

fn accumulate(sum: &mut Vec<f32>, values: &[f32], count: usize) {
    sum.resize(values.len(), 0.0);
    sum.iter_mut().zip(values).for_each(|(s, v)| *s += v / count as f32);
}

fn softmax(logits: &[f32]) -> Vec<f32> {
    let max = logits.iter().copied().fold(f32::MIN, f32::max);
    let exponentials: Vec<f32> = logits.iter().map(|v| (v - max).exp()).collect();
    let total: f32 = exponentials.iter().sum();
    exponentials.iter().map(|v| v / total).collect()
}

/// Pads a latent by repeating its last row and column.
fn widen(latent: &[f32], [h, w, c]: LatentDims, [ph, pw, _]: LatentDims) -> Vec<f32> {
    let mut wide = Vec::with_capacity(ph * pw * c);
    for y in 0..ph {
        for x in 0..pw {
            wide.extend_from_slice(&latent[(y.min(h - 1) * w + x.min(w - 1)) * c..][..c]);
        }
    }
    wide
}

/// Inverse of [`widen`].
fn narrow(wide: &[f32], [_, pw, c]: LatentDims, [h, w, _]: LatentDims) -> Vec<f32> {
    (0..h).flat_map(|y| &wide[y * pw * c..][..w * c]).copied().collect()
}
