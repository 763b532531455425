//! A model with its name and hash, shared by all streams that use it.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use engine::checkpoint::Checkpoint;
use engine::config::{ModelConfig, WindowConfig};
use engine::image::MelImage;
use engine::inference_model::InferenceModel;
use engine::latency_mode::LatencyMode;
use engine::models::model::{Conditioning, LatentDims};
use engine::nn::packed::Packed;
use engine::pipeline::TransferModel;
use engine::reference::Reference;
use engine::style::{SavedStyle, StyleTokens};
use engine::{Error, Result};

use crate::factory;
use crate::gpu::{self, Gpu};
use crate::style_slot::FACTORY;

/// Environment variable that shortens the model's windows to this number of frames, a multiple of
/// 16. Hop and overlap are half a window.
///
/// For tests only, because it reduces the quality: some test hosts process less than three seconds.
pub const WINDOW_FRAMES_VARIABLE: &str = "LUTHIER_WINDOW_FRAMES";

/// A loaded model and the factory styles that it computed.
pub struct PluginModel {
    name: String,
    cpu: InferenceModel<Packed>,
    gpu: Gpu,
    factory: [OnceLock<Result<Arc<StyleTokens>>>; FACTORY.len()],
}

impl PluginModel {
    /// Loads a model onto the CPU and, if present, the GPU.
    ///
    /// # Errors
    /// If the file contains no transfer model, or a tensor is missing or has another shape.
    pub fn new(name: String, mut checkpoint: Checkpoint) -> Result<Self> {
        let config = effective_config(checkpoint.model_config()?);
        checkpoint.config = serde_json::to_value(config).map_err(|error| {
            Error::checkpoint("config", "a value that JSON can represent", error)
        })?;
        let cpu = InferenceModel::packed(&checkpoint)?;
        let gpu = Gpu::open(gpu::shipped(), &checkpoint, &cpu);
        Ok(Self { name, cpu, gpu, factory: Default::default() })
    }

    /// The displayed name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 of the model file in lower-case hex.
    pub fn sha256(&self) -> &str {
        self.cpu.sha256()
    }

    /// Whether this model computed `style` completely.
    pub fn computed(&self, style: &StyleTokens) -> bool {
        self.cpu.has_computed(style)
    }

    /// The model's config.
    pub fn config(&self) -> &ModelConfig {
        self.cpu.config()
    }

    /// Networks with their own executor, for one stream.
    fn networks(&self, mode: LatencyMode) -> Box<dyn TransferModel> {
        self.gpu.networks(&self.cpu, mode)
    }

    /// The GPU on which the model runs, or the reason why it does not.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// Computes the style of a reference. It always runs on the CPU, so that styles are the same on
    /// every device.
    ///
    /// # Errors
    /// If the recording is silent.
    pub fn style(&self, reference: &Reference) -> Result<StyleTokens> {
        self.cpu.style(&mut Packed::default(), reference)
    }

    /// Computes the style of a recording together with the data that the project stores.
    ///
    /// # Errors
    /// If the recording is silent.
    pub fn saved_style(
        &self,
        name: String,
        path: &Path,
        reference: &Reference,
    ) -> Result<SavedStyle> {
        self.cpu.saved_style(&mut Packed::default(), name, path, reference)
    }

    /// Computes a saved style with this model from its stored mel images.
    ///
    /// # Errors
    /// If the style has no mel images, or they were computed with another mel config.
    pub fn reencode(&self, style: &SavedStyle) -> Result<SavedStyle> {
        self.cpu.reencode(&mut Packed::default(), style)
    }

    /// The factory style `index`. The first call computes it.
    ///
    /// # Errors
    /// If the built-in recording cannot be decoded or is silent.
    pub fn factory_style(&self, index: usize) -> std::result::Result<Arc<StyleTokens>, &Error> {
        let tokens = self.factory[index].get_or_init(|| {
            let reference = factory::reference(index)?;
            self.style(&reference).map(Arc::new)
        });
        tokens.as_ref().map(Arc::clone)
    }
}

/// A model in one stream: the shared model and the networks of this stream.
///
/// The pipeline owns it and passes it to the code that computes styles.
pub struct StreamModel {
    model: Arc<PluginModel>,
    networks: Box<dyn TransferModel>,
}

impl StreamModel {
    /// Creates the networks of a stream with latency mode `mode`.
    pub fn new(model: Arc<PluginModel>, mode: LatencyMode) -> Self {
        Self { networks: model.networks(mode), model }
    }

    /// The shared model.
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

/// The config in use. [`WINDOW_FRAMES_VARIABLE`] can shorten the windows.
pub fn effective_config(config: ModelConfig) -> ModelConfig {
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
