//! `trainer train`: a run from its config to its model file.

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

/// A year.
const MINUTES_MAX: f64 = 525_600.0;

/// What is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Model {
    /// Spectrogram encoder and decoder.
    Autoencoder,
    /// Style encoder and denoiser, over a trained autoencoder (`--init`).
    Ldm,
    /// Instrument classifier: judge of transfers, and network of the perceptual losses.
    Classifier,
}

/// Where it is trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum DeviceKind {
    /// Our own operations.
    #[default]
    Cpu,
    /// The first CUDA GPU; needs a build with `--features cuda`.
    Cuda,
}

/// Arguments of `trainer train`.
#[derive(Clone, Debug, Parser)]
pub struct Args {
    /// What to train.
    #[arg(long, value_enum)]
    pub model: Model,
    /// Run config; fields that it does not name have their defaults. A resumed run has its own.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder of a dataset (the config's `data`).
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Run folder.
    #[arg(long, value_name = "RUN")]
    pub out: PathBuf,
    /// Model file to start from (the config's `init`).
    #[arg(long, value_name = "FILE")]
    pub init: Option<PathBuf>,
    /// Go on with the run in the run folder, exactly as if it had never stopped.
    #[arg(long)]
    pub resume: bool,
    /// Stop after so many minutes, with a checkpoint.
    #[arg(long, value_name = "M")]
    pub minutes: Option<f64>,
    /// Where to train.
    #[arg(long, value_enum, default_value_t)]
    pub device: DeviceKind,
    /// Changes of the config: `schedule.learning_rate=1e-3`.
    #[arg(value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
}

impl Args {
    /// A run from nothing, by the config's defaults, on the CPU.
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
    let init = init(&args, &config);
    let setup =
        TaskSetup { config: &config, device: open_device(args.device)?, init: init.as_deref() };
    Stop::catch_signals();
    let options =
        Options { out: args.out, resume: args.resume, minutes: args.minutes, quiet: false };
    // One of the threads that share the work: a thread beside them would sleep, and be woken,
    // hundreds of times a step.
    rayon::scope(|_| train_loop::train(build(args.model, &setup)?.as_mut(), &config, &options))
}

/// The model file to start from; what came in shards in its place.
fn init(args: &Args, config: &RunConfig) -> Option<PathBuf> {
    let named = (!config.init.is_empty()).then(|| PathBuf::from(&config.init))?;
    let carried = shards::frozen(&Folder::new(&args.out).shards());
    Some(if args.resume && !named.exists() && carried.exists() { carried } else { named })
}

/// The task of a model.
pub fn build(model: Model, setup: &TaskSetup<'_>) -> Result<Box<dyn Task>> {
    anyhow::ensure!(
        model == Model::Ldm || setup.config.online_rendering.every == 0,
        "online_rendering.every: expected 0, for new sounds come to the ldm alone, found {}",
        setup.config.online_rendering.every
    );
    Ok(match model {
        Model::Autoencoder => Box::new(AutoencoderTask::new(setup)?),
        Model::Ldm => Box::new(DiffusionTask::new(setup)?),
        Model::Classifier => Box::new(ClassifierTask::new(setup)?),
    })
}

/// The config of a run that stopped, or of a new one.
fn load_config(args: &Args) -> Result<RunConfig> {
    match args.resume {
        true => RunConfig::stopped(&Folder::open(&args.out)?.stopped_config(), &overrides(args)?),
        false => new_config(args),
    }
}

/// The config of a new run.
pub fn new_config(args: &Args) -> Result<RunConfig> {
    RunConfig::load(args.config.as_deref(), &overrides(args)?)
}

/// What the command line changes.
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

/// Opens the device, or says why not.
pub fn open_device(kind: DeviceKind) -> Result<Device> {
    match kind {
        DeviceKind::Cpu => Ok(Device::Cpu),
        #[cfg(feature = "cuda")]
        DeviceKind::Cuda => {
            // TF32: three decimal digits in matrix products, f32 everywhere else.
            candle_core::cuda_backend::set_gemm_reduced_precision_f32(true);
            // One CUDA stream for all threads: images are encoded side by side.
            Device::new_cuda_with_stream(0).context("--device cuda: no CUDA GPU answers")
        }
        #[cfg(not(feature = "cuda"))]
        DeviceKind::Cuda => {
            anyhow::bail!("--device cuda: this build has no CUDA (build with `--features cuda`)")
        }
    }
}
