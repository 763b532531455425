//! The pipeline's interface to the networks of a model.

use crate::config::ModelConfig;
use crate::diffusion::guidance;
use crate::image::MelImage;
use crate::latency_mode::LatencyMode;
use crate::models::model::{Conditioning, LatentDims};
use crate::style::StyleTokens;
use crate::{Error, Result};

/// The networks of a model on any device. Latents are standardised, row-major `(H, W, C)`.
pub trait TransferModel: Send {
    /// The config of the model.
    fn config(&self) -> &ModelConfig;

    /// The latency mode of the windows.
    fn mode(&self) -> LatencyMode {
        LatencyMode::Quality
    }

    /// Reference images -> style.
    ///
    /// # Errors
    /// If there is no image, an image has the wrong size, or the device fails.
    fn style_tokens(&mut self, images: &[MelImage]) -> Result<StyleTokens>;

    /// Image -> latent.
    ///
    /// # Errors
    /// If the image has the wrong size or the device fails.
    fn encode(&mut self, image: &MelImage) -> Result<Vec<f32>>;

    /// Latent -> image, in `[0, 1]`.
    ///
    /// # Errors
    /// If the device fails.
    fn decode(&mut self, latent: &[f32], dims: LatentDims) -> Result<MelImage>;

    /// The denoiser's prediction for every conditioning on the same noisy latent.
    ///
    /// # Errors
    /// If the conditionings do not fit the model or the device fails.
    fn denoise(
        &mut self,
        noisy: &[f32],
        dims: LatentDims,
        timestep: usize,
        conditionings: &[Conditioning],
    ) -> Result<Vec<Vec<f32>>>;

    /// The prediction with classifier-free guidance towards the style of `conditioning`. At scale 1
    /// the denoiser runs once, otherwise with and without the style.
    ///
    /// # Errors
    /// As [`TransferModel::denoise`].
    fn denoise_guided(
        &mut self,
        noisy: &[f32],
        dims: LatentDims,
        timestep: usize,
        conditioning: Conditioning,
        scale: f32,
    ) -> Result<Vec<f32>> {
        let both = [conditioning, Conditioning { style: None, ..conditioning }];
        let conditionings = if scale == 1.0 { &both[..1] } else { &both[..] };
        let mut predictions = self.denoise(noisy, dims, timestep, conditionings)?.into_iter();
        match (predictions.next(), predictions.next()) {
            (Some(cond), Some(uncond)) => Ok(guidance::combine(&cond, &uncond, scale)),
            (cond, _) => Ok(cond.unwrap_or_default()),
        }
    }
}

impl<M: TransferModel + ?Sized> TransferModel for Box<M> {
    fn config(&self) -> &ModelConfig {
        (**self).config()
    }

    fn mode(&self) -> LatencyMode {
        (**self).mode()
    }

    fn style_tokens(&mut self, images: &[MelImage]) -> Result<StyleTokens> {
        (**self).style_tokens(images)
    }

    fn encode(&mut self, image: &MelImage) -> Result<Vec<f32>> {
        (**self).encode(image)
    }

    fn decode(&mut self, latent: &[f32], dims: LatentDims) -> Result<MelImage> {
        (**self).decode(latent, dims)
    }

    fn denoise(
        &mut self,
        noisy: &[f32],
        dims: LatentDims,
        timestep: usize,
        conditionings: &[Conditioning],
    ) -> Result<Vec<Vec<f32>>> {
        (**self).denoise(noisy, dims, timestep, conditionings)
    }
}

/// Rejects NaN and infinity in the output of a network.
pub(crate) fn require_finite(values: &[f32]) -> Result<()> {
    match values.iter().find(|value| !value.is_finite()) {
        Some(value) => {
            Err(Error::Compute(format!("expected finite values from a network, found {value}")))
        }
        None => Ok(()),
    }
}
