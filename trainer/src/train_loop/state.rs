//! A stopped run: weights, moments, average and the few numbers that go with them, in one
//! safetensors file.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, Result};
use candle_core::{Device, Tensor};
use engine::whole_file;
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use crate::optim::{AdamW, Ema, Parameters, Plateau};

/// The metadata key.
const KEY: &str = "luthier_training_state";

/// The numbers of a stopped run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The task; another one's state is refused.
    pub task: String,
    /// SHA-256 of what the run stands on ([`super::Task::frozen`], in f16): it cannot go on over
    /// anything else.
    #[serde(default)]
    pub frozen: Option<String>,
    /// SHA-256 of what the run's datasets say of themselves; none in states of before, which do
    /// not say.
    #[serde(default)]
    pub data: Option<String>,
    /// Steps made.
    pub step: u64,
    /// Steps in which the optimiser moved (a gradient that was not finite moves nothing).
    pub optimiser_steps: u64,
    /// Seconds of training, over all sessions.
    pub seconds: f64,
    /// The learning rate's state.
    pub plateau: Plateau,
    /// The best validation so far.
    pub best: Option<f64>,
    /// What the last validation found.
    pub metrics: serde_json::Value,
}

/// Writes the state in one piece.
pub fn save(
    path: &Path,
    progress: &Progress,
    parameters: &Parameters,
    optimiser: &AdamW,
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
pub fn load(
    path: &Path,
    task: &str,
    parameters: &Parameters,
    optimiser: &mut AdamW,
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

/// The progress as a file's metadata.
pub(super) fn metadata(progress: &Progress) -> Result<HashMap<String, String>> {
    Ok(HashMap::from([(KEY.to_string(), serde_json::to_string(progress)?)]))
}

/// The progress in a file's metadata, and the metadata.
pub(super) fn read_progress(bytes: &[u8]) -> Result<(Progress, HashMap<String, String>)> {
    let (_, header) = SafeTensors::read_metadata(bytes)?;
    let metadata = header.metadata().clone().unwrap_or_default();
    let text = metadata.get(KEY).with_context(|| format!("metadata `{KEY}` is missing"))?;
    Ok((serde_json::from_str(text).with_context(|| format!("metadata `{KEY}`"))?, metadata))
}

/// Refuses another task's state.
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
            .with_context(|| format!("`weight.{name}` is missing"))?;
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
