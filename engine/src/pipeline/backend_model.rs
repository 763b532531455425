//! A model that runs on one of the engine's backends.

use std::sync::Arc;

use super::TransferModel;
use crate::Result;
use crate::config::ModelConfig;
use crate::image::MelImage;
use crate::latency_mode::LatencyMode;
use crate::models::model::{Conditioning, LatentDims, Model};
use crate::models::unet::StyleKv;
use crate::nn::Backend;
use crate::style::StyleTokens;

/// A model and the backend that runs it. Streams share the model; each stream has its own backend.
pub struct BackendModel<B: Backend> {
    model: Arc<Model<B>>,
    ops: B,
    mode: LatencyMode,
    styles: Option<StyleCache<B>>,
}

impl<B: Backend> BackendModel<B> {
    /// Runs `model` on `ops`, in [`LatencyMode::Quality`].
    pub fn new(model: Arc<Model<B>>, ops: B) -> Self {
        Self { model, ops, mode: LatencyMode::Quality, styles: None }
    }

    /// Sets the latency mode.
    pub fn in_mode(self, mode: LatencyMode) -> Self {
        Self { mode, ..self }
    }
}

/// The styles of the last call and their keys and values in the denoiser. A style is constant
/// across steps, and usually across windows.
struct StyleCache<B: Backend> {
    styles: Vec<Option<StyleTokens>>,
    kv: StyleKv<B>,
}

impl<B: Backend> StyleCache<B> {
    fn holds(&self, conditionings: &[Conditioning]) -> bool {
        self.styles.iter().map(Option::as_ref).eq(conditionings.iter().map(|one| one.style))
    }

    fn compute(model: &Model<B>, ops: &mut B, conditionings: &[Conditioning]) -> Result<Self> {
        let styles = conditionings.iter().map(|one| one.style.cloned()).collect();
        Ok(Self { styles, kv: model.precompute_style(ops, conditionings)? })
    }
}

impl<B: Backend + Send> TransferModel for BackendModel<B>
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
        let Self { model, ops, styles, .. } = self;
        let styles = match styles.take().filter(|styles| styles.holds(conditionings)) {
            Some(present) => styles.insert(present),
            None => styles.insert(StyleCache::compute(model, ops, conditionings)?),
        };
        model.denoise_with_style(ops, noisy, dims, timestep, conditionings, &styles.kv)
    }
}
