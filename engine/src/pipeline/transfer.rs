//! From content image to wet image: encoder, diffusion, decoder.

use std::sync::Arc;

use crate::cancel::Cancel;
use crate::config::{ModelConfig, Prediction};
use crate::diffusion::ddim::DdimSampler;
use crate::diffusion::forward::ForwardDiffusion;
use crate::diffusion::{guidance, noise};
use crate::image::MelImage;
use crate::latency_mode::LatencyMode;
use crate::models::model::{Conditioning, LatentDims, Model};
use crate::models::unet::StyleKv;
use crate::nn::Backend;
use crate::settings::Settings;
use crate::style::StyleTokens;
use crate::{Error, Result};

/// Refuses what a network made of something that is no number, or of too much.
pub(crate) fn finite(values: &[f32]) -> Result<()> {
    match values.iter().find(|value| !value.is_finite()) {
        Some(value) => {
            Err(Error::Compute(format!("expected finite values of a network, found {value}")))
        }
        None => Ok(()),
    }
}

/// The networks as the pipeline sees them; latents are standardised, row-major `(H, W, C)`.
pub trait TransferModel: Send {
    /// What the model was built from.
    fn config(&self) -> &ModelConfig;

    /// How it plays: in its own windows unless it was told otherwise.
    fn mode(&self) -> LatencyMode {
        LatencyMode::Quality
    }

    /// Reference images -> style.
    fn style_tokens(&mut self, images: &[MelImage]) -> Result<StyleTokens>;

    /// Image -> latent.
    fn encode(&mut self, image: &MelImage) -> Result<Vec<f32>>;

    /// Latent -> image, in `[0, 1]`.
    fn decode(&mut self, latent: &[f32], dims: LatentDims) -> Result<MelImage>;

    /// The denoiser's prediction for every conditioning on the same noisy latent.
    fn denoise(
        &mut self,
        noisy: &[f32],
        dims: LatentDims,
        timestep: usize,
        conditionings: &[Conditioning],
    ) -> Result<Vec<Vec<f32>>>;
}

/// A model together with the executor that runs it. Streams share the model; each has its own
/// executor.
pub struct Executed<B: Backend> {
    model: Arc<Model<B>>,
    ops: B,
    mode: LatencyMode,
    read: Option<Read<B>>,
}

/// The styles of a call's conditionings, and what the denoiser keeps of them: neither changes from step to
/// step, and seldom from window to window.
struct Read<B: Backend> {
    styles: Vec<Option<StyleTokens>>,
    memory: StyleKv<B>,
}

impl<B: Backend> Executed<B> {
    /// Runs `model` on `ops`.
    pub fn new(model: Arc<Model<B>>, ops: B) -> Self {
        Self { model, ops, mode: LatencyMode::Quality, read: None }
    }

    /// The same in a mode.
    pub fn in_mode(self, mode: LatencyMode) -> Self {
        Self { mode, ..self }
    }
}

impl<B: Backend> Read<B> {
    /// What the denoiser keeps of the conditionings' styles; read anew when they have changed.
    fn memory<'a>(
        last: &'a mut Option<Self>,
        model: &Model<B>,
        ops: &mut B,
        conditionings: &[Conditioning],
    ) -> Result<&'a StyleKv<B>> {
        let same = |read: &Self| {
            read.styles.iter().map(Option::as_ref).eq(conditionings.iter().map(|g| g.style))
        };
        let read = match last.take().filter(same) {
            Some(read) => read,
            None => Self {
                styles: conditionings
                    .iter()
                    .map(|conditioning| conditioning.style.cloned())
                    .collect(),
                memory: model.precompute_style(ops, conditionings)?,
            },
        };
        Ok(&last.insert(read).memory)
    }
}

impl<B: Backend + Send> TransferModel for Executed<B>
where
    Model<B>: Send + Sync,
    B::Tensor: Send,
{
    fn config(&self) -> &ModelConfig {
        self.model.config()
    }

    fn mode(&self) -> LatencyMode {
        self.mode
    }

    fn style_tokens(&mut self, images: &[MelImage]) -> Result<StyleTokens> {
        self.model.style_tokens(&mut self.ops, images)
    }

    fn encode(&mut self, image: &MelImage) -> Result<Vec<f32>> {
        self.model.encode(&mut self.ops, image)
    }

    fn decode(&mut self, latent: &[f32], dims: LatentDims) -> Result<MelImage> {
        self.model.decode(&mut self.ops, latent, dims)
    }

    fn denoise(
        &mut self,
        noisy: &[f32],
        dims: LatentDims,
        timestep: usize,
        conditionings: &[Conditioning],
    ) -> Result<Vec<Vec<f32>>> {
        let memory = Read::memory(&mut self.read, &self.model, &mut self.ops, conditionings)?;
        self.model.denoise_with_style(&mut self.ops, noisy, dims, timestep, conditionings, memory)
    }
}

/// The model and its diffusion process.
pub struct Transfer {
    model: Box<dyn TransferModel>,
    diffusion: ForwardDiffusion,
    prediction: Prediction,
    dims: LatentDims,
    column_frames: usize,
    steps_max: usize,
}

impl Transfer {
    /// Prepares a model's windows.
    pub fn new(model: Box<dyn TransferModel>) -> Result<Self> {
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

    /// The networks themselves.
    pub fn model(&mut self) -> &mut dyn TransferModel {
        &mut *self.model
    }

    /// How the model plays.
    pub fn mode(&self) -> LatencyMode {
        self.model.mode()
    }

    /// The linear gain of what the model plays, [`ModelConfig::makeup_db`]: less where less is left
    /// to the model, none at strength 0.
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
    /// If a network fails, or what it answers is no number: it would play as silence.
    pub fn decode(&mut self, latent: &[f32]) -> Result<MelImage> {
        let image = self.model.decode(latent, self.dims)?;
        finite(&image.data)?;
        Ok(image)
    }

    /// The clean latent of a window whose first frame since reset is `first_frame`.
    ///
    /// `strength` below 1 starts from the noised content, 0 is the content itself. Noise belongs to
    /// places on the stream: overlapping windows see the same in their common columns, and where
    /// they move by less than a column, nearly so.
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
        // A schedule shorter than the wish has that many steps; a short latency has no time for
        // more than a few.
        let steps = settings.steps.min(schedule.len()).min(self.steps_max);
        let Settings { eta, strength, .. } = *settings;
        let sampler = DdimSampler::from_strength(schedule, self.prediction, steps, eta, strength)?;
        let Some(&noisiest) = sampler.timesteps().first() else { return Ok(content.to_vec()) };
        // Columns before the stream's start count down from 2^64.
        let column = first_frame.div_euclid(self.column_frames as i64) as u64;
        let mut x = noise::window(settings.seed, column, height, width, channels);
        noise::scale_noise(&mut x, settings.temperature);
        if strength < 1.0 {
            let noise = x.clone();
            self.diffusion.q_sample(content, &noise, noisiest, &mut x);
        }
        let with_style =
            Conditioning { content: Some(content), style: Some(style), prefix_columns: 0 };
        let without = Conditioning { style: None, ..with_style };
        let scale = settings.guidance_scale;
        let model = &mut self.model;
        let mut predict = |x_t: &[f32], timestep: usize| {
            cancel.check()?;
            let conditionings =
                if scale == 1.0 { &[with_style][..] } else { &[with_style, without][..] };
            let mut predictions = model.denoise(x_t, dims, timestep, conditionings)?.into_iter();
            match (predictions.next(), predictions.next()) {
                (Some(cond), Some(uncond)) => Ok(guidance::combine(&cond, &uncond, scale)),
                (cond, _) => Ok(cond.unwrap_or_default()),
            }
        };
        let mut fresh = |step| {
            let seed = noise::step_seed(settings.seed, step);
            noise::window(seed, column, height, width, channels)
        };
        sampler.sample(&mut x, &mut predict, &mut fresh, None)?;
        Ok(x)
    }
}
