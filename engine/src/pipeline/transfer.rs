//! From content image to wet image: encoder, diffusion, decoder.

use super::{TransferModel, require_finite};
use crate::Result;
use crate::cancel::Cancel;
use crate::config::Prediction;
use crate::diffusion::ddim::DdimSampler;
use crate::diffusion::forward::ForwardDiffusion;
use crate::diffusion::noise;
use crate::image::MelImage;
use crate::models::model::{Conditioning, LatentDims};
use crate::settings::Settings;
use crate::style::StyleTokens;

/// A model with its diffusion process: from the image of a window's content to the wet image.
pub struct Transfer<M = Box<dyn TransferModel>> {
    model: M,
    diffusion: ForwardDiffusion,
    prediction: Prediction,
    dims: LatentDims,
    column_frames: usize,
    steps_max: usize,
}

impl Transfer {
    /// [`Transfer::from_model`] for a model of any kind.
    ///
    /// # Errors
    /// If the model's config is not usable.
    pub fn new(model: Box<dyn TransferModel>) -> Result<Self> {
        Self::from_model(model)
    }
}

impl<M: TransferModel> Transfer<M> {
    /// Prepares the windows of a model in its latency mode.
    ///
    /// # Errors
    /// If the model's config is not usable.
    pub fn from_model(model: M) -> Result<Self> {
        let (config, mode) = (model.config(), model.mode());
        let window = mode.window(config);
        let r = config.autoencoder.reduction();
        Ok(Self {
            diffusion: ForwardDiffusion::new(&config.diffusion)?,
            prediction: config.diffusion.prediction,
            dims: [config.mel.n_mels / r, window.frames / r, config.autoencoder.latent_channels],
            column_frames: r,
            steps_max: mode.steps_max(),
            model,
        })
    }

    /// The model.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// The model, mutable.
    pub fn model_mut(&mut self) -> &mut M {
        &mut self.model
    }

    /// The linear makeup gain: [`makeup_db`](crate::config::ModelConfig::makeup_db) times
    /// `strength`, so 1 at strength 0.
    pub fn makeup(&self, settings: &Settings) -> f32 {
        10f32.powf(self.model.config().makeup_db * settings.strength / 20.0)
    }

    /// Sizes of a window's latent.
    pub fn dims(&self) -> LatentDims {
        self.dims
    }

    /// Image -> latent.
    pub fn encode(&mut self, image: &MelImage) -> Result<Vec<f32>> {
        self.model.encode(image)
    }

    /// Latent -> image.
    ///
    /// # Errors
    /// If a network fails or returns NaN or infinity.
    pub fn decode(&mut self, latent: &[f32]) -> Result<MelImage> {
        let image = self.model.decode(latent, self.dims)?;
        // The vocoder would turn values that are not finite into silence.
        require_finite(&image.data)?;
        Ok(image)
    }

    /// The clean latent of a window. `first_frame` is its first frame since reset.
    ///
    /// A `strength` below 1 starts from the noised content; 0 returns the content. Noise depends on
    /// the position in the stream: overlapping windows have equal noise in their common columns. If
    /// the hop is shorter than a column, this holds approximately.
    ///
    /// # Errors
    /// On cancellation, or if a network fails.
    pub fn denoise(
        &mut self,
        content: &[f32],
        style: &StyleTokens,
        first_frame: i64,
        settings: &Settings,
        cancel: &Cancel,
    ) -> Result<Vec<f32>> {
        let dims @ [height, width, channels] = self.dims;
        let schedule = self.diffusion.schedule();
        // The schedule's length and the latency mode limit the number of steps.
        let steps = settings.steps.min(schedule.len()).min(self.steps_max);
        let strength = settings.strength;
        let sampler = DdimSampler::from_strength(schedule, self.prediction, steps, strength)?;
        let Some(&noisiest) = sampler.timesteps().first() else { return Ok(content.to_vec()) };
        // Columns before the stream's start count down from 2^64.
        let column = first_frame.div_euclid(self.column_frames as i64) as u64;
        let mut x = noise::window(settings.seed, column, height, width, channels);
        noise::scale_noise(&mut x, settings.temperature);
        if strength < 1.0 {
            let noise = x.clone();
            self.diffusion.q_sample(content, &noise, noisiest, &mut x);
        }
        let conditioning =
            Conditioning { content: Some(content), style: Some(style), prefix_columns: 0 };
        let model = &mut self.model;
        let mut predict = |x_t: &[f32], timestep: usize| {
            cancel.check()?;
            model.denoise_guided(x_t, dims, timestep, conditioning, settings.guidance_scale)
        };
        sampler.sample(&mut x, &mut predict, None)?;
        Ok(x)
    }
}
