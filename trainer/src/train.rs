//! `trainer train`: runs a training from its config to a model file.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use candle_core::Device;
use clap::{Parser, ValueEnum};

use crate::config::RunConfig;
use crate::tasks::{AutoencoderTask, ClassifierTask, DiffusionTask, TaskSetup};
use crate::train_loop::folder::Folder;
use crate::train_loop::shards;
use crate::train_loop::stop::Stop;
use crate::train_loop::{self, Options, Summary, Task};

/// One year.
const MINUTES_MAX: f64 = 525_600.0;

/// Kind of model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Model {
    /// Spectrogram encoder and decoder.
    Autoencoder,
    /// Style encoder and denoiser, on top of a trained autoencoder (`--init`).
    Ldm,
    /// Instrument classifier: judge of evaluations, or feature network of losses.
    Classifier,
}

/// Device of a training run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum DeviceKind {
    /// All CPU cores.
    #[default]
    Cpu,
    /// The first CUDA GPU (needs a build with `--features cuda`).
    Cuda,
}

/// Arguments of `trainer train`.
#[derive(Clone, Debug, Parser)]
pub struct Args {
    /// Kind of model.
    #[arg(long, value_enum)]
    pub model: Model,
    /// Run config (TOML). Missing fields have their defaults. A resumed run uses its own config.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder of the data set (`data` in the config).
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Run folder.
    #[arg(long, value_name = "RUN")]
    pub out: PathBuf,
    /// Model file to start from (`init` in the config).
    #[arg(long, value_name = "FILE")]
    pub init: Option<PathBuf>,
    /// Continue the run in the run folder; the result is the same as without the interruption.
    #[arg(long)]
    pub resume: bool,
    /// Stop after this many minutes and write a checkpoint.
    #[arg(long, value_name = "M")]
    pub minutes: Option<f64>,
    /// Device.
    #[arg(long, value_enum, default_value_t)]
    pub device: DeviceKind,
    /// Overrides of config fields, for example `schedule.learning_rate=1e-3`.
    #[arg(value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
}

impl Args {
    /// A new run on the CPU with the config's defaults.
    pub fn new(model: Model, data: &Path, out: &Path) -> Self {
        Self {
            model,
            config: None,
            data: Some(data.to_path_buf()),
            out: out.to_path_buf(),
            init: None,
            resume: false,
            minutes: None,
            device: DeviceKind::Cpu,
            overrides: Vec::new(),
        }
    }
}

/// Runs `trainer train`.
pub fn run(args: Args) -> Result<Summary> {
    if let Some(minutes) = args.minutes {
        anyhow::ensure!(
            (0.0..=MINUTES_MAX).contains(&minutes),
            "--minutes: expected 0 to {MINUTES_MAX}, found {minutes}"
        );
    }
    let config = load_config(&args)?;
    anyhow::ensure!(
        Path::new(&config.data).is_dir(),
        "data: expected the folder of a dataset, found `{}`",
        config.data
    );
    let init = init_file(&args, &config);
    let setup =
        TaskSetup { config: &config, device: open_device(args.device)?, init: init.as_deref() };
    Stop::catch_signals();
    let options =
        Options { out: args.out, resume: args.resume, minutes: args.minutes, quiet: false };
    // The training loop runs on one of rayon's threads. A separate thread would be woken hundreds
    // of times a step (`docs/decisions/042-cpu-training-step.md`).
    rayon::scope(|_| train_loop::train(build(args.model, &setup)?.as_mut(), &config, &options))
}

/// The model file to start from. A resumed run uses the copy in its shards if the file is missing.
fn init_file(args: &Args, config: &RunConfig) -> Option<PathBuf> {
    let named = (!config.init.is_empty()).then(|| PathBuf::from(&config.init))?;
    let copy = shards::frozen(&Folder::new(&args.out).shards());
    Some(if args.resume && !named.exists() && copy.exists() { copy } else { named })
}

/// Builds the training task of a model.
pub fn build(model: Model, setup: &TaskSetup<'_>) -> Result<Box<dyn Task>> {
    Ok(match model {
        Model::Autoencoder => Box::new(AutoencoderTask::new(setup)?),
        Model::Ldm => Box::new(DiffusionTask::new(setup)?),
        Model::Classifier => Box::new(ClassifierTask::new(setup)?),
    })
}

/// The config of the run to resume, or of a new run.
fn load_config(args: &Args) -> Result<RunConfig> {
    match args.resume {
        true => {
            RunConfig::load_resumed(&Folder::open(&args.out)?.stopped_config(), &overrides(args)?)
        }
        false => Ok(new_config(args)?.with_measured_products()),
    }
}

/// The config of a new run.
pub fn new_config(args: &Args) -> Result<RunConfig> {
    RunConfig::load(args.config.as_deref(), &overrides(args)?)
}

/// Config overrides from the command line.
fn overrides(args: &Args) -> Result<Vec<String>> {
    let mut overrides = args.overrides.clone();
    for (field, path) in [("data", &args.data), ("init", &args.init)] {
        if let Some(path) = path {
            let path = path.to_str().with_context(|| {
                format!("{field}: expected a UTF-8 path, found {}", path.display())
            })?;
            overrides.push(format!("{field}={path:?}"));
        }
    }
    Ok(overrides)
}

/// Opens a device.
///
/// # Errors
/// If the build has no CUDA or no CUDA GPU is found.
pub fn open_device(kind: DeviceKind) -> Result<Device> {
    match kind {
        DeviceKind::Cpu => Ok(Device::Cpu),
        #[cfg(feature = "cuda")]
        DeviceKind::Cuda => {
            // TF32 matrix products (10 bits of mantissa); everything else is f32.
            candle_core::cuda_backend::set_gemm_reduced_precision_f32(true);
            // One CUDA stream for all threads, because several threads encode images.
            Device::new_cuda_with_stream(0).context("--device cuda: cannot open a CUDA GPU")
        }
        #[cfg(not(feature = "cuda"))]
        DeviceKind::Cuda => {
            anyhow::bail!(
                "--device cuda: this build has no CUDA support; build with `--features cuda`"
            )
        }
    }
}
