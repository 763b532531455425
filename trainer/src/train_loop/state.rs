//! The state of a stopped run in one safetensors file: weights, moments, average and progress.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, Result};
use candle_core::{Device, Tensor};
use engine::whole_file;
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use crate::optim::{Ema, Optimizer, Parameters, Plateau};

/// Metadata key for the progress.
const KEY: &str = "luthier_training_state";

/// The progress of a stopped run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Name of the task.
    pub task: String,
    /// SHA-256 of the frozen model ([`super::Task::frozen`], in f16). A resumed run needs the same.
    #[serde(default)]
    pub frozen: Option<String>,
    /// SHA-256 of the descriptions of the run's datasets; `None` in old states.
    #[serde(default)]
    pub data: Option<String>,
    /// Number of steps.
    pub step: u64,
    /// Number of steps with an update. Steps without a finite gradient have none.
    pub optimiser_steps: u64,
    /// Seconds of training in total.
    pub seconds: f64,
    /// State of the learning rate.
    pub plateau: Plateau,
    /// Best validation so far.
    pub best: Option<f64>,
    /// Metrics of the last validation.
    pub metrics: serde_json::Value,
}

/// Writes the state atomically.
///
/// # Errors
/// If it cannot be written.
pub fn save(
    path: &Path,
    progress: &Progress,
    parameters: &Parameters,
    optimiser: &Optimizer,
    ema: &Ema,
) -> Result<()> {
    let mut tensors: Vec<(String, Tensor)> = parameters
        .iter()
        .map(|(name, var)| (format!("weight.{name}"), var.as_detached_tensor()))
        .chain(optimiser.state()?)
        .chain(ema.state())
        .collect();
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    let bytes =
        safetensors::serialize(tensors, Some(metadata(progress)?)).context("training state")?;
    Ok(whole_file::write(path, &bytes)?)
}

/// Reads a state into the variables, the optimiser and the average.
///
/// # Errors
/// If the file is missing, damaged or of another task.
pub fn load(
    path: &Path,
    task: &str,
    parameters: &Parameters,
    optimiser: &mut Optimizer,
    ema: &mut Ema,
) -> Result<Progress> {
    let context = || format!("training state {}", path.display());
    let bytes = std::fs::read(path).with_context(context)?;
    let (progress, _) = read_progress(&bytes).with_context(context)?;
    check_task(&progress, task).with_context(context)?;
    let tensors =
        candle_core::safetensors::load_buffer(&bytes, &Device::Cpu).with_context(context)?;
    restore_weights(&tensors, parameters).with_context(context)?;
    optimiser.restore(&tensors, progress.optimiser_steps).with_context(context)?;
    ema.restore(&tensors).with_context(context)?;
    Ok(progress)
}

/// The progress as metadata of a file.
pub(super) fn metadata(progress: &Progress) -> Result<HashMap<String, String>> {
    Ok(HashMap::from([(KEY.to_string(), serde_json::to_string(progress)?)]))
}

/// Reads the progress and the metadata of a file.
pub(super) fn read_progress(bytes: &[u8]) -> Result<(Progress, HashMap<String, String>)> {
    let (_, header) = SafeTensors::read_metadata(bytes)?;
    let metadata = header.metadata().clone().unwrap_or_default();
    let text =
        metadata.get(KEY).with_context(|| format!("expected metadata `{KEY}`, found none"))?;
    Ok((serde_json::from_str(text).with_context(|| format!("metadata `{KEY}`"))?, metadata))
}

/// Checks that a state is of this task.
pub(super) fn check_task(progress: &Progress, task: &str) -> Result<()> {
    anyhow::ensure!(
        progress.task == task,
        "expected a run of `{task}`, found one of `{}`",
        progress.task
    );
    Ok(())
}

/// Sets every variable to its `weight.NAME`.
pub(super) fn restore_weights(
    tensors: &HashMap<String, Tensor>,
    parameters: &Parameters,
) -> Result<()> {
    for (name, var) in parameters {
        let tensor = tensors
            .get(&format!("weight.{name}"))
            .with_context(|| format!("expected `weight.{name}`, found none"))?;
        anyhow::ensure!(
            tensor.dims() == var.dims(),
            "`weight.{name}`: expected shape {:?}, found {:?}",
            var.dims(),
            tensor.dims()
        );
        var.set(&tensor.to_device(var.device())?)?;
    }
    Ok(())
}
