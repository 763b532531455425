//! The models in memory: one copy of the weights however many instances play them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, OnceLock, Weak};

use engine::audio_file::Audio;
use engine::checkpoint::Checkpoint;
use engine::config::{ModelConfig, WindowConfig};
use engine::inference_model::InferenceModel;
use engine::latency_mode::LatencyMode;
use engine::nn::packed::Packed;
use engine::pipeline::TransferModel;
use engine::style::{SavedStyle, StyleTokens};
use engine::{Error, Result};
use parking_lot::Mutex;

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
    playable: InferenceModel<Packed>,
    gpu: Gpu,
    factory: [OnceLock<Result<Arc<StyleTokens>>>; FACTORY.len()],
}

impl PluginModel {
    fn new(name: String, mut checkpoint: Checkpoint) -> Result<Self> {
        let config = heard(checkpoint.model_config()?);
        checkpoint.config = serde_json::to_value(config)
            .map_err(|error| Error::checkpoint("config", "a value that JSON can hold", error))?;
        let playable = InferenceModel::packed(&checkpoint)?;
        let gpu = Gpu::open(gpu::shipped(), &checkpoint, &playable);
        Ok(Self { name, playable, gpu, factory: Default::default() })
    }

    /// What the editor calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 of its file in lower-case hex.
    pub fn sha256(&self) -> &str {
        self.playable.sha256()
    }

    /// Whether it made a style.
    pub fn made(&self, style: &StyleTokens) -> bool {
        self.playable.made(style)
    }

    /// What it was built from.
    pub fn config(&self) -> &ModelConfig {
        self.playable.config()
    }

    /// The networks with an executor of their own, for one stream.
    pub fn networks(&self, mode: LatencyMode) -> Box<dyn TransferModel> {
        self.gpu.networks(&self.playable, mode)
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
        self.playable.style(&mut Packed::default(), recording)
    }

    /// The style of a recording, to be kept.
    ///
    /// # Errors
    /// If the recording is silent.
    pub fn keep(&self, name: String, path: &Path, recording: &Audio) -> Result<SavedStyle> {
        self.playable.saved_style(&mut Packed::default(), name, path, recording)
    }

    /// A kept style as this model hears it, whichever model made it.
    ///
    /// # Errors
    /// If it was kept without what was heard, or by a model with other ears.
    pub fn reencode(&self, style: &SavedStyle) -> Result<SavedStyle> {
        self.playable.reencode(&mut Packed::default(), style)
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

/// All models that any instance plays, by hash.
#[derive(Default)]
pub struct Registry {
    models: Mutex<HashMap<String, Weak<PluginModel>>>,
}

impl Registry {
    /// The shipped model.
    ///
    /// # Errors
    /// If the plugin was built with a file that is no model.
    pub fn shipped(&self) -> Result<Arc<PluginModel>> {
        let load =
            || self.keep(factory::MODEL_NAME.into(), Checkpoint::from_bytes(factory::MODEL)?);
        self.find(factory::model_sha256()).map_or_else(load, Ok)
    }

    /// The model in a file.
    ///
    /// # Errors
    /// If the file cannot be read or is no transfer model.
    pub fn open(&self, path: &Path) -> Result<Arc<PluginModel>> {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let checkpoint = Checkpoint::read(path)?;
        self.find(&checkpoint.sha256).map_or_else(|| self.keep(name, checkpoint), Ok)
    }

    fn find(&self, sha256: &str) -> Option<Arc<PluginModel>> {
        self.models.lock().get(sha256).and_then(Weak::upgrade)
    }

    fn keep(&self, name: String, checkpoint: Checkpoint) -> Result<Arc<PluginModel>> {
        let model = Arc::new(PluginModel::new(name, checkpoint)?);
        let mut models = self.models.lock();
        models.retain(|_, model| model.strong_count() > 0);
        models.insert(model.sha256().into(), Arc::downgrade(&model));
        Ok(model)
    }
}
