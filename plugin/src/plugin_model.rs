//! A model with its identity: what every stream, style and device of it shares.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use engine::audio_file::Audio;
use engine::checkpoint::Checkpoint;
use engine::config::{ModelConfig, WindowConfig};
use engine::image::MelImage;
use engine::inference_model::InferenceModel;
use engine::latency_mode::LatencyMode;
use engine::models::model::{Conditioning, LatentDims};
use engine::nn::packed::Packed;
use engine::pipeline::TransferModel;
use engine::style::{SavedStyle, StyleTokens};
use engine::{Error, Result};

use crate::factory;
use crate::gpu::{self, Gpu};
use crate::style_slot::FACTORY;

/// Shortens the model's windows to so many frames (a multiple of 16, at least 16), with every
/// second half for the crossfade: hosts that test plugins listen for less than three seconds. Worse
/// in sound, and for tests alone.
pub const WINDOW_FRAMES_VARIABLE: &str = "LUTHIER_WINDOW_FRAMES";

/// A model that plays, with the factory styles as it hears them.
pub struct PluginModel {
    name: String,
    cpu: InferenceModel<Packed>,
    gpu: Gpu,
    factory: [OnceLock<Result<Arc<StyleTokens>>>; FACTORY.len()],
}

impl PluginModel {
    /// Checks a model file and puts it on the devices.
    ///
    /// # Errors
    /// If the file holds no transfer model, or a tensor is missing or of another shape.
    pub fn new(name: String, mut checkpoint: Checkpoint) -> Result<Self> {
        let config = heard(checkpoint.model_config()?);
        checkpoint.config = serde_json::to_value(config)
            .map_err(|error| Error::checkpoint("config", "a value that JSON can hold", error))?;
        let cpu = InferenceModel::packed(&checkpoint)?;
        let gpu = Gpu::open(gpu::shipped(), &checkpoint, &cpu);
        Ok(Self { name, cpu, gpu, factory: Default::default() })
    }

    /// What the editor calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 of its file in lower-case hex.
    pub fn sha256(&self) -> &str {
        self.cpu.sha256()
    }

    /// Whether it made a style.
    pub fn made(&self, style: &StyleTokens) -> bool {
        self.cpu.made(style)
    }

    /// What it was built from.
    pub fn config(&self) -> &ModelConfig {
        self.cpu.config()
    }

    /// The networks with an executor of their own, for one stream.
    fn networks(&self, mode: LatencyMode) -> Box<dyn TransferModel> {
        self.gpu.networks(&self.cpu, mode)
    }

    /// The GPU that it plays on, or why it does not.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// The style of a recording. The CPU reads styles: they are the same on every device.
    ///
    /// # Errors
    /// If the recording is silent.
    pub fn style(&self, recording: &Audio) -> Result<StyleTokens> {
        self.cpu.style(&mut Packed::default(), recording)
    }

    /// The style of a recording, to be kept.
    ///
    /// # Errors
    /// If the recording is silent.
    pub fn keep(&self, name: String, path: &Path, recording: &Audio) -> Result<SavedStyle> {
        self.cpu.saved_style(&mut Packed::default(), name, path, recording)
    }

    /// A kept style as this model hears it, whichever model made it.
    ///
    /// # Errors
    /// If it was kept without what was heard, or by a model with other ears.
    pub fn reencode(&self, style: &SavedStyle) -> Result<SavedStyle> {
        self.cpu.reencode(&mut Packed::default(), style)
    }

    /// A factory style; computed when it is first asked for.
    ///
    /// # Errors
    /// If the plugin was built with a recording that cannot be read.
    pub fn factory_style(&self, index: usize) -> std::result::Result<Arc<StyleTokens>, &Error> {
        let tokens = self.factory[index].get_or_init(|| {
            let recording = factory::recording(index)?;
            self.style(&recording).map(Arc::new)
        });
        tokens.as_ref().map(Arc::clone)
    }
}

/// A model in one stream: the model with its identity, and networks that only this stream uses.
///
/// The pipeline holds it and passes it to whatever computes a style.
pub struct StreamModel {
    model: Arc<PluginModel>,
    networks: Box<dyn TransferModel>,
}

impl StreamModel {
    /// The model for one more stream, which plays it in `mode`.
    pub fn new(model: Arc<PluginModel>, mode: LatencyMode) -> Self {
        Self { networks: model.networks(mode), model }
    }

    /// The model with its identity.
    pub fn model(&self) -> &PluginModel {
        &self.model
    }
}

impl TransferModel for StreamModel {
    fn config(&self) -> &ModelConfig {
        self.networks.config()
    }

    fn mode(&self) -> LatencyMode {
        self.networks.mode()
    }

    fn style_tokens(&mut self, images: &[MelImage]) -> Result<StyleTokens> {
        let tokens = self.networks.style_tokens(images)?;
        Ok(StyleTokens { model: self.model.sha256().into(), ..tokens })
    }

    fn encode(&mut self, image: &MelImage) -> Result<Vec<f32>> {
        self.networks.encode(image)
    }

    fn decode(&mut self, latent: &[f32], dims: LatentDims) -> Result<MelImage> {
        self.networks.decode(latent, dims)
    }

    fn denoise(
        &mut self,
        noisy: &[f32],
        dims: LatentDims,
        timestep: usize,
        conditionings: &[Conditioning],
    ) -> Result<Vec<Vec<f32>>> {
        self.networks.denoise(noisy, dims, timestep, conditionings)
    }
}

/// A model's config as it is played: shortened where [`WINDOW_FRAMES_VARIABLE`] asks for it.
pub fn heard(config: ModelConfig) -> ModelConfig {
    let frames = std::env::var(WINDOW_FRAMES_VARIABLE).ok().and_then(|value| value.parse().ok());
    match frames {
        Some(frames) if frames >= 16 && frames % 16 == 0 && frames < config.window.frames => {
            let window =
                WindowConfig { frames, hop_frames: frames / 2, overlap_frames: frames / 2 };
            ModelConfig { window, ..config }
        }
        _ => config,
    }
}
