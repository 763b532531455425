//! Opening a model file on the device that was asked for.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use engine::audio_file::Audio;
use engine::checkpoint::Checkpoint;
use engine::config::ModelConfig;
use engine::inference_model::InferenceModel;
use engine::latency_mode::LatencyMode;
use engine::library::{self, Accelerator, Library};
use engine::nn::packed::Packed;
use engine::pipeline::TransferModel;
use engine::style::SavedStyle;

use crate::bundle;
use crate::choices::Device;
use crate::workspace;

/// The model file that was asked for, or the shipped one.
pub fn path(chosen: Option<&Path>) -> PathBuf {
    chosen.map_or_else(|| workspace::presets("luthier.safetensors"), Path::to_path_buf)
}

/// Reads a model file; its name is part of any error.
pub fn read(path: &Path) -> Result<Checkpoint> {
    Ok(Checkpoint::read(path)?)
}

/// A model that plays, whatever it plays on.
pub struct FileModel {
    /// What the model was built from.
    pub config: ModelConfig,
    cpu: InferenceModel<Packed>,
    gpu: Option<Accelerator>,
}

impl FileModel {
    /// Opens a model file on a device.
    ///
    /// # Errors
    /// One sentence for a file that is no playable model, and for a device that is not there.
    pub fn open(chosen: Option<&Path>, device: Device) -> Result<Self> {
        let library = library(device)?;
        let path = path(chosen);
        let checkpoint = read(&path)?;
        let cpu =
            InferenceModel::packed(&checkpoint).with_context(|| path.display().to_string())?;
        let gpu = library.map(|path| {
            let library = Library::open(&path, library::Device::Cuda)?;
            Accelerator::open(&library, &checkpoint, &cpu)
        });
        let gpu = match gpu.transpose() {
            Err(error) if device == Device::Cuda => bail!("--device cuda: {}", error.reason()),
            Err(error) => {
                eprintln!("note: CUDA does not play, the CPU does: {}", error.reason());
                None
            }
            Ok(gpu) => gpu,
        };
        Ok(Self { config: cpu.config().clone(), cpu, gpu })
    }

    /// The device in words; where it gave up, why.
    pub fn device(&self) -> String {
        let threads = threads();
        match self.gpu.as_ref().map(Accelerator::fault) {
            Some(None) => "cuda".into(),
            Some(Some(why)) => {
                format!("cuda until it gave up ({why}), then cpu ({threads} threads)")
            }
            None => format!("cpu ({threads} threads)"),
        }
    }

    /// A saved style as this model hears it. The CPU reads styles: they are the same on every
    /// device.
    pub fn reencode(&self, style: &SavedStyle) -> engine::Result<SavedStyle> {
        self.cpu.reencode(&mut Packed::default(), style)
    }

    /// Reads a style from a recording.
    pub fn keep(&self, path: &Path, recording: &Audio) -> engine::Result<SavedStyle> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.cpu.saved_style(&mut Packed::default(), name, path, recording)
    }

    /// The networks with an executor of their own, for one stream.
    pub fn networks(&self, mode: LatencyMode) -> Box<dyn TransferModel> {
        Accelerator::networks(self.gpu.as_ref(), &self.cpu, mode)
    }
}

/// Streams of one file at most: each costs memory, and a window more for every span.
const THREADS_MAX: usize = 8;

/// How many threads play a file: one a core.
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(THREADS_MAX)
}

/// Where the library is that a device asks for; `auto` goes without where there is none.
fn library(device: Device) -> Result<Option<PathBuf>> {
    let folder = bundle::folder();
    match (device, library::find(&folder)) {
        (Device::Cpu, _) => Ok(None),
        (Device::Cuda, None) => {
            let path = folder.join(library::file_name());
            bail!(
                "--device cuda: expected {}, found none (`cargo xtask bundle --cuda` makes it)",
                path.display()
            )
        }
        (_, path) => Ok(path),
    }
}
