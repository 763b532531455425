//! Opens a model file on the selected device.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use engine::checkpoint::Checkpoint;
use engine::config::ModelConfig;
use engine::inference_model::InferenceModel;
use engine::latency_mode::LatencyMode;
use engine::library::{self, Accelerator, Library};
use engine::nn::packed::Packed;
use engine::pipeline::TransferModel;
use engine::reference::Reference;
use engine::style::SavedStyle;

use crate::bundle;
use crate::choices::Device;
use crate::workspace;

/// The selected model file, or the shipped one.
pub fn path(chosen: Option<&Path>) -> PathBuf {
    chosen.map_or_else(|| workspace::presets("luthier.safetensors"), Path::to_path_buf)
}

/// Reads a model file. Errors contain its path.
pub fn read(path: &Path) -> Result<Checkpoint> {
    Ok(Checkpoint::read(path)?)
}

/// A model from a file, on the CPU or on a GPU.
pub struct FileModel {
    /// The config in the file.
    pub config: ModelConfig,
    cpu: InferenceModel<Packed>,
    gpu: Option<Accelerator>,
}

impl FileModel {
    /// Opens a model file on a device.
    ///
    /// # Errors
    /// If the file is not a usable model, or the device is missing.
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
                eprintln!("note: CUDA is not available, using the CPU: {}", error.reason());
                None
            }
            Ok(gpu) => gpu,
        };
        Ok(Self { config: cpu.config().clone(), cpu, gpu })
    }

    /// The device in words. After a GPU error, the text contains the reason.
    pub fn device(&self) -> String {
        let threads = threads();
        match self.gpu.as_ref().map(Accelerator::fault) {
            Some(None) => "cuda".into(),
            Some(Some(why)) => {
                format!("cuda, then cpu ({threads} threads) after an error ({why})")
            }
            None => format!("cpu ({threads} threads)"),
        }
    }

    /// Computes the tokens of a saved style with this model. This runs on the CPU, so that the
    /// tokens are the same on every device.
    pub fn reencode(&self, style: &SavedStyle) -> engine::Result<SavedStyle> {
        self.cpu.reencode(&mut Packed::default(), style)
    }

    /// Computes the style of a recording. `path` is its source.
    pub fn saved_style(&self, path: &Path, reference: &Reference) -> engine::Result<SavedStyle> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.cpu.saved_style(&mut Packed::default(), name, path, reference)
    }

    /// The networks for one stream, with their own executor.
    pub fn networks(&self, mode: LatencyMode) -> Box<dyn TransferModel> {
        Accelerator::networks(self.gpu.as_ref(), &self.cpu, mode)
    }
}

/// Maximum number of streams of one file. Each stream needs memory and one additional window per
/// span.
const THREADS_MAX: usize = 8;

/// Number of threads that process a file: one per core, at most [`THREADS_MAX`].
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(THREADS_MAX)
}

/// Path of the library that a device needs. `None` for the CPU, and for `auto` without a library.
fn library(device: Device) -> Result<Option<PathBuf>> {
    let folder = bundle::folder();
    match (device, library::find(&folder)) {
        (Device::Cpu, _) => Ok(None),
        (Device::Cuda, None) => {
            let path = folder.join(library::file_name());
            bail!(
                "--device cuda: expected {}, found none (`cargo xtask bundle --cuda` builds it)",
                path.display()
            )
        }
        (_, path) => Ok(path),
    }
}
