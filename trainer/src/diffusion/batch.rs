//! One batch for the denoiser: latents noised to their timesteps, and what it is told beside them.

use anyhow::Result;
use candle_core::{Device, Tensor};
use engine::config::{ModelConfig, Prediction};
use engine::diffusion::forward::ForwardDiffusion;
use engine::diffusion::noise;
use engine::image::MelImage;
use engine::models::position::SinusoidalPositionEmbedding;
use engine::models::unet::MASK_CHANNELS;
use engine::style::profile::spectral_profile;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::config::DiffusionTraining;
use crate::images::as_batch;

/// Random choices of one example.
#[derive(Clone, Copy, Debug)]
pub struct Draw {
    pub timestep: usize,
    pub prefix_columns: usize,
    pub keep_style: bool,
    pub keep_content: bool,
    pub noise_seed: u64,
    /// The recording chain of chance that style and target get, if any.
    pub target_colour: Option<u64>,
    /// The content's.
    pub content_colour: Option<u64>,
}

impl Draw {
    /// An example of training.
    pub fn random(rng: &mut ChaCha8Rng, training: &DiffusionTraining, model: &ModelConfig) -> Self {
        let last = model.diffusion.train_timesteps - 1;
        let mut colour = || rng.random_bool(training.recolour).then(|| rng.random());
        let [target_colour, content_colour] = [colour(), colour()];
        let columns = |frames: usize| frames / model.autoencoder.reduction();
        Self {
            timestep: if rng.random_bool(training.terminal_share) {
                last
            } else {
                rng.random_range(0..=last)
            },
            prefix_columns: match rng.random_bool(training.prefix_probability) {
                false => 0,
                // Streams with a short hop give all of the window but the hop.
                true if rng.random() => rng.random_range(1..columns(model.window.frames)),
                true => columns(model.window.overlap_frames),
            },
            keep_style: !rng.random_bool(training.style_drop),
            keep_content: !rng.random_bool(training.content_drop),
            noise_seed: rng.random(),
            target_colour,
            content_colour,
        }
    }

    /// An example of validation: everything given, no prefix.
    pub fn plain(timestep: usize, noise_seed: u64) -> Self {
        Self {
            timestep,
            prefix_columns: 0,
            keep_style: true,
            keep_content: true,
            noise_seed,
            target_colour: None,
            content_colour: None,
        }
    }
}

/// Which of an example's images.
#[derive(Clone, Copy, Debug)]
pub enum Role {
    Content,
    Style,
    Target,
}

impl Draw {
    /// The seed of an image's own noise floor: not the diffusion's, or the noise would tell what
    /// the target holds.
    pub fn seed_of(&self, role: Role) -> u64 {
        noise::independent_seed(self.noise_seed, role as usize)
    }
}

/// Tensors of one batch.
pub struct Batch {
    pub noisy: Tensor,
    pub content: Tensor,
    pub mask: Tensor,
    pub timestep: Tensor,
    /// Images `(B, n_mels, frames, 1)`.
    pub style: Tensor,
    /// The styles' spectral profiles, `(B, rows of a latent, 1, statistics of a row)`.
    pub profile: Tensor,
    /// 0 where the style is dropped, `(B, 1, 1, 1)`.
    pub keep_style: Tensor,
    pub target: Tensor,
    /// 1 where the loss counts: not in the prefix, `(B, H, W, 1)`.
    pub loss_mask: Tensor,
    /// How much each example's error weighs, `(B, 1, 1, 1)`.
    pub weight: Tensor,
    /// The styles' instruments.
    pub labels: Tensor,
}

/// The values of a batch, example after example: made on the CPU, wherever the training is.
#[derive(Default)]
pub struct BatchValues {
    dims: [usize; 3],
    noisy: Vec<f32>,
    content: Vec<f32>,
    mask: Vec<f32>,
    timestep: Vec<f32>,
    keep_style: Vec<f32>,
    target: Vec<f32>,
    loss_mask: Vec<f32>,
    weight: Vec<f32>,
    styles: Vec<MelImage>,
    profiles: Vec<f32>,
    labels: Vec<u32>,
}

impl BatchValues {
    /// No examples yet; `dims` are a latent's height, width and channels.
    pub fn new(dims: [usize; 3]) -> Self {
        Self { dims, ..Self::default() }
    }

    /// Adds an example of clean latents, noised as drawn, which weighs so much.
    pub fn push(
        &mut self,
        draw: &Draw,
        forward: &ForwardDiffusion,
        weight: f64,
        [content, clean]: [&[f32]; 2],
    ) {
        let [h, w, c] = self.dims;
        let size = h * w * c;
        let noise = noise::gaussian(draw.noise_seed, 0, size, 1);
        let (start, end) = (self.noisy.len(), self.noisy.len() + size);
        self.noisy.resize(end, 0.0);
        self.target.resize(end, 0.0);
        let noisy = &mut self.noisy[start..];
        forward.q_sample(clean, &noise, draw.timestep, noisy);
        forward.target(clean, &noise, draw.timestep, &mut self.target[start..]);
        for (noisy, clean) in noisy.chunks_exact_mut(w * c).zip(clean.chunks_exact(w * c)) {
            noisy[..draw.prefix_columns * c].copy_from_slice(&clean[..draw.prefix_columns * c]);
        }
        match draw.keep_content {
            true => self.content.extend_from_slice(content),
            false => self.content.resize(end, 0.0),
        }
        let given = f32::from(u8::from(draw.keep_content));
        for position in 0..h * w {
            let in_prefix = f32::from(u8::from(position % w < draw.prefix_columns));
            self.mask.extend([in_prefix, given]);
            self.loss_mask.push(1.0 - in_prefix);
        }
        self.timestep.extend(SinusoidalPositionEmbedding::embed(
            draw.timestep as f32,
            SinusoidalPositionEmbedding::TIMESTEP_DIM,
        ));
        self.keep_style.push(f32::from(u8::from(draw.keep_style)));
        self.weight.push(weight as f32);
    }

    /// Adds all examples' style images and their instruments.
    pub fn with_styles(mut self, styles: Vec<MelImage>, labels: Vec<u32>) -> Self {
        self.profiles = styles.par_iter().flat_map_iter(spectral_profile).collect();
        (self.styles, self.labels) = (styles, labels);
        self
    }

    /// The batch on a device.
    pub fn to_device(self, device: &Device) -> Result<Batch> {
        let (count, [h, w, c]) = (self.weight.len(), self.dims);
        let statistics = self.profiles.len() / (count * h);
        let tensor = |values, shape| Tensor::from_vec(values, shape, device);
        Ok(Batch {
            noisy: tensor(self.noisy, (count, h, w, c))?,
            content: tensor(self.content, (count, h, w, c))?,
            mask: tensor(self.mask, (count, h, w, MASK_CHANNELS))?,
            timestep: tensor(
                self.timestep,
                (count, 1, 1, SinusoidalPositionEmbedding::TIMESTEP_DIM),
            )?,
            style: as_batch(&self.styles, device)?,
            profile: tensor(self.profiles, (count, h, 1, statistics))?,
            keep_style: tensor(self.keep_style, (count, 1, 1, 1))?,
            target: tensor(self.target, (count, h, w, c))?,
            loss_mask: tensor(self.loss_mask, (count, h, w, 1))?,
            weight: tensor(self.weight, (count, 1, 1, 1))?,
            labels: Tensor::from_vec(self.labels, count, device)?,
        })
    }
}

/// Weight of a prediction's error at a timestep (Hang et al. 2023, arXiv 2303.09556, section 3.4):
/// `min(SNR, gamma)` of the clean latent's error, as that of the noise or of v; 1 where gamma is 0.
/// Under v at zero SNR it is 0: nothing is learnt there.
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
            // An error of v of size 1 is one of x0 of the size of the noise's share.
            let (signal, noise) = forward.schedule().signal_and_noise(timestep);
            let of_x0 = min_snr_weight(&forward, timestep, 5.0) / (noise * noise);
            let expected = (signal / noise).powi(2).min(5.0);
            assert!((of_x0 / expected - 1.0).abs() < 1e-9, "{timestep}: {of_x0}, {expected}");
        }
    }
}
