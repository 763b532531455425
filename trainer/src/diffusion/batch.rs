//! One batch for the denoiser: noisy latents and their conditions.

use anyhow::Result;
use candle_core::{Device, Tensor};
use engine::config::Prediction;
use engine::diffusion::forward::ForwardDiffusion;
use engine::diffusion::noise;
use engine::image::MelImage;
use engine::models::position::SinusoidalPositionEmbedding;
use engine::models::unet::MASK_CHANNELS;
use engine::style::profile::spectral_profile;
use rayon::prelude::*;

use super::example::Example;
use crate::images::as_batch;

/// An example's images for the networks.
pub struct EncodedExample {
    /// Latent of the content.
    pub content: Vec<f32>,
    /// Latent of the target.
    pub target: Vec<f32>,
    /// Image of the style.
    pub style: MelImage,
    /// Label of the style's instrument.
    pub label: u32,
    /// Weight of the prediction error.
    pub weight: f64,
}

/// The tensors of a batch of `B` examples. A latent is `(H, W, C)`.
pub struct Batch {
    /// Timestep of each example.
    pub timesteps: Vec<usize>,
    /// Noisy latents with clean prefixes, `(B, H, W, C)`.
    pub noisy: Tensor,
    /// Latents of the content, 0 if dropped, `(B, H, W, C)`.
    pub content: Tensor,
    /// Whether a position is in the prefix, and whether there is a content, `(B, H, W, 2)`.
    pub mask: Tensor,
    /// Embeddings of the timesteps, `(B, 1, 1, TIMESTEP_DIM)`.
    pub timestep: Tensor,
    /// Images of the style, `(B, n_mels, frames, 1)`.
    pub style: Tensor,
    /// Spectral profiles of the style, `(B, H, 1, statistics)`.
    pub profile: Tensor,
    /// 0 if the style is dropped, else 1, `(B, 1, 1, 1)`.
    pub keep_style: Tensor,
    /// Targets of the prediction, `(B, H, W, C)`.
    pub target: Tensor,
    /// 0 in the prefix, else 1, `(B, H, W, 1)`.
    pub loss_mask: Tensor,
    /// Weight of each example's error, `(B, 1, 1, 1)`.
    pub weight: Tensor,
    /// Labels of the styles' instruments, `(B)`.
    pub labels: Tensor,
    /// Images of the targets, if the style loss needs them, `(B, n_mels, frames, 1)`.
    pub target_images: Option<Tensor>,
}

impl Batch {
    /// Collates encoded examples on the CPU. `dims` are height, width and channels of a latent.
    ///
    /// # Errors
    /// If a tensor cannot be created.
    pub fn new(
        examples: &[Example],
        encoded: Vec<EncodedExample>,
        forward: &ForwardDiffusion,
        [h, w, c]: [usize; 3],
    ) -> Result<Self> {
        let (count, size) = (examples.len(), h * w * c);
        let (mut noisy, mut target) = (vec![0.0; count * size], vec![0.0; count * size]);
        let mut content = Vec::with_capacity(count * size);
        let (mut mask, mut loss_mask) = (Vec::new(), Vec::new());
        for (i, (example, images)) in examples.iter().zip(&encoded).enumerate() {
            let (noise, clean) =
                (noise::gaussian(example.noise_seed, 0, size, 1), images.target.as_slice());
            let noisy = &mut noisy[i * size..][..size];
            forward.q_sample(clean, &noise, example.timestep, noisy);
            forward.target(clean, &noise, example.timestep, &mut target[i * size..][..size]);
            let prefix = example.prefix_columns * c;
            for (noisy, clean) in noisy.chunks_exact_mut(w * c).zip(clean.chunks_exact(w * c)) {
                noisy[..prefix].copy_from_slice(&clean[..prefix]);
            }
            match example.keep_content {
                true => content.extend_from_slice(&images.content),
                false => content.resize(content.len() + size, 0.0),
            }
            for position in 0..h * w {
                let in_prefix = flag(position % w < example.prefix_columns);
                mask.extend([in_prefix, flag(example.keep_content)]);
                loss_mask.push(1.0 - in_prefix);
            }
        }
        let embed = |example: &Example| {
            SinusoidalPositionEmbedding::embed(
                example.timestep as f32,
                SinusoidalPositionEmbedding::TIMESTEP_DIM,
            )
        };
        let timestep: Vec<f32> = examples.iter().flat_map(embed).collect();
        let keep_style = examples.iter().map(|example| flag(example.keep_style)).collect();
        let weight = encoded.iter().map(|images| images.weight as f32).collect();
        let labels: Vec<u32> = encoded.iter().map(|images| images.label).collect();
        let styles: Vec<MelImage> = encoded.into_iter().map(|images| images.style).collect();
        let profile: Vec<f32> = styles.par_iter().flat_map_iter(spectral_profile).collect();
        let statistics = profile.len() / (count * h);
        let device = &Device::Cpu;
        let tensor = |values: Vec<f32>, shape: (usize, usize, usize, usize)| {
            Tensor::from_vec(values, shape, device)
        };
        Ok(Self {
            timesteps: examples.iter().map(|example| example.timestep).collect(),
            noisy: tensor(noisy, (count, h, w, c))?,
            content: tensor(content, (count, h, w, c))?,
            mask: tensor(mask, (count, h, w, MASK_CHANNELS))?,
            timestep: tensor(timestep, (count, 1, 1, SinusoidalPositionEmbedding::TIMESTEP_DIM))?,
            style: as_batch(&styles, device)?,
            profile: tensor(profile, (count, h, 1, statistics))?,
            keep_style: tensor(keep_style, (count, 1, 1, 1))?,
            target: tensor(target, (count, h, w, c))?,
            loss_mask: tensor(loss_mask, (count, h, w, 1))?,
            weight: tensor(weight, (count, 1, 1, 1))?,
            labels: Tensor::from_vec(labels, count, device)?,
            target_images: None,
        })
    }

    /// The batch on a device.
    ///
    /// # Errors
    /// If a tensor cannot be copied.
    pub fn to_device(&self, device: &Device) -> Result<Self> {
        let target_images = self.target_images.as_ref().map(|images| images.to_device(device));
        Ok(Self {
            timesteps: self.timesteps.clone(),
            noisy: self.noisy.to_device(device)?,
            content: self.content.to_device(device)?,
            mask: self.mask.to_device(device)?,
            timestep: self.timestep.to_device(device)?,
            style: self.style.to_device(device)?,
            profile: self.profile.to_device(device)?,
            keep_style: self.keep_style.to_device(device)?,
            target: self.target.to_device(device)?,
            loss_mask: self.loss_mask.to_device(device)?,
            weight: self.weight.to_device(device)?,
            labels: self.labels.to_device(device)?,
            target_images: target_images.transpose()?,
        })
    }
}

fn flag(value: bool) -> f32 {
    f32::from(u8::from(value))
}

/// Weight of a prediction's error at a timestep: `min(SNR, gamma)` for an error of the clean
/// latent, converted to an error of noise or v (T. Hang et al. 2023, arXiv 2303.09556, section
/// 3.4). It is 1 for a gamma of 0. For v at zero SNR it is 0, so that there is no gradient.
pub fn min_snr_weight(forward: &ForwardDiffusion, timestep: usize, gamma: f64) -> f64 {
    if gamma == 0.0 {
        return 1.0;
    }
    let (signal, noise) = forward.schedule().signal_and_noise(timestep);
    let snr = (signal / noise).powi(2);
    match forward.prediction() {
        Prediction::Epsilon => (gamma / snr).min(1.0),
        Prediction::V => snr.min(gamma) / (snr + 1.0),
    }
}

#[cfg(test)]
mod tests {
    use engine::config::DiffusionConfig;

    use super::*;

    #[test]
    fn min_snr_weighs_the_clean_latents_error_by_the_snr_up_to_gamma() {
        let forward = ForwardDiffusion::new(&DiffusionConfig::default()).unwrap();
        let last = DiffusionConfig::default().train_timesteps - 1;
        assert_eq!(min_snr_weight(&forward, last, 0.0), 1.0);
        assert_eq!(min_snr_weight(&forward, last, 5.0), 0.0);
        for timestep in (0..last).step_by(50) {
            // An error of 1 in v is an error of the noise's share in the clean latent.
            let (signal, noise) = forward.schedule().signal_and_noise(timestep);
            let of_x0 = min_snr_weight(&forward, timestep, 5.0) / (noise * noise);
            let expected = (signal / noise).powi(2).min(5.0);
            assert!((of_x0 / expected - 1.0).abs() < 1e-9, "{timestep}: {of_x0}, {expected}");
        }
    }
}
