//! Opening a model file on the device that was asked for.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use engine::audio_file::Audio;
use engine::checkpoint::Checkpoint;
use engine::config::ModelConfig;
use engine::latency_mode::LatencyMode;
use engine::nn::packed::Packed;
use engine::pipeline::{Executed, TransferModel};
use engine::playable::Playable;
use engine::style::KeptStyle;

use crate::choices::Device;
use crate::workspace;

const NO_CUDA: &str = "--device cuda: this build has no CUDA, choose `cpu` or build with `--features cuda`";

/// The model file that was asked for, or the shipped one.
pub fn path(chosen: Option<&Path>) -> PathBuf {
    chosen.map_or_else(|| workspace::presets("luthier.safetensors"), Path::to_path_buf)
}

/// Reads a model file; its name is part of any error.
pub fn read(path: &Path) -> Result<Checkpoint> {
    Ok(Checkpoint::read(path)?)
}

/// A model that plays, whatever it plays on.
pub struct Player {
    /// What the model was built from.
    pub config: ModelConfig,
    /// The device in words.
    pub device: String,
    on: On,
}

enum On {
    Cpu(Playable<Packed>),
    #[cfg(feature = "cuda")]
    Cuda(Playable<engine::nn::candle::Candle>, candle_core::Device),
}

impl Player {
    /// Opens a model file on a device.
    ///
    /// # Errors
    /// One sentence for a file that is no playable model, and for a device that is not there.
    pub fn open(chosen: Option<&Path>, device: Device) -> Result<Self> {
        if device == Device::Cuda && cfg!(not(feature = "cuda")) {
            bail!("{NO_CUDA}");
        }
        let path = path(chosen);
        let checkpoint = read(&path)?;
        let on = match device {
            Device::Cpu => cpu(&checkpoint),
            Device::Cuda => cuda(&checkpoint)?,
            Device::Auto => cuda(&checkpoint).unwrap_or_else(|_| cpu(&checkpoint)),
        };
        let on = on.with_context(|| path.display().to_string())?;
        let (config, device) = match &on {
            On::Cpu(playable) => (playable.config().clone(), format!("cpu ({} threads)", threads())),
            #[cfg(feature = "cuda")]
            On::Cuda(playable, _) => (playable.config().clone(), "cuda".into()),
        };
        Ok(Self { config, device, on })
    }

    /// A saved style as this model hears it.
    pub fn understand(&self, style: &KeptStyle) -> engine::Result<KeptStyle> {
        match &self.on {
            On::Cpu(playable) => playable.understand(&mut Packed::default(), style),
            #[cfg(feature = "cuda")]
            On::Cuda(playable, device) => {
                playable.understand(&mut engine::nn::candle::Candle::new(device.clone()), style)
            }
        }
    }

    /// Reads a style from a recording.
    pub fn keep(&self, path: &Path, recording: &Audio) -> engine::Result<KeptStyle> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match &self.on {
            On::Cpu(playable) => playable.keep(&mut Packed::default(), name, path, recording),
            #[cfg(feature = "cuda")]
            On::Cuda(playable, device) => {
                playable.keep(&mut engine::nn::candle::Candle::new(device.clone()), name, path, recording)
            }
        }
    }

    /// The networks with an executor of their own, for one stream.
    pub fn networks(&self, mode: LatencyMode) -> Box<dyn TransferModel> {
        match &self.on {
            On::Cpu(playable) => Box::new(Executed::new(playable.model(), Packed::default()).in_mode(mode)),
            #[cfg(feature = "cuda")]
            On::Cuda(playable, device) => {
                let ops = engine::nn::candle::Candle::new(device.clone());
                Box::new(Executed::new(playable.model(), ops).in_mode(mode))
            }
        }
    }
}

fn cpu(checkpoint: &Checkpoint) -> engine::Result<On> {
    Playable::packed(checkpoint).map(On::Cpu)
}

/// The outer error is a missing device, the inner one a model that cannot be played.
#[cfg(feature = "cuda")]
fn cuda(checkpoint: &Checkpoint) -> Result<engine::Result<On>> {
    match candle_core::Device::new_cuda(0) {
        Ok(device) => Ok(Playable::candle(checkpoint, &device).map(|playable| On::Cuda(playable, device))),
        Err(error) => bail!("--device cuda: this machine offers no CUDA GPU ({error})"),
    }
}

#[cfg(not(feature = "cuda"))]
fn cuda(_: &Checkpoint) -> Result<engine::Result<On>> {
    bail!("{NO_CUDA}")
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
