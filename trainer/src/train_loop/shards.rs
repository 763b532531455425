//! A stopped run in files of at most 15 MiB: weights and their average as f16, the run's config and
//! its frozen model. Apart from the data, `--resume` only needs this folder.
//!
//! It is for storage with a limit on file sizes. The optimiser's moments are not saved. So a run
//! that is resumed from shards is close to one without interruption, but not equal.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use candle_core::{DType, Device, Tensor};
use engine::checkpoint::{Checkpoint, Precision};
use engine::whole_file;

use super::state::{self, Progress};
use crate::config::RunConfig;
use crate::optim::{Ema, Parameters};

/// Maximum size of a file.
pub const MAX_BYTES: usize = 15 << 20;
/// Space for the header of a file.
const HEADER_BYTES: usize = 256 << 10;
/// Metadata key for the number of files.
const COUNT: &str = "luthier_shards";

/// Prefix of the names of files with weights.
const PREFIX: &str = "shard-";

/// Path of the run's config in a folder of shards.
pub fn config(folder: &Path) -> PathBuf {
    folder.join("config.toml")
}

/// Path of the run's frozen model in a folder of shards.
pub fn frozen(folder: &Path) -> PathBuf {
    folder.join("frozen.safetensors")
}

/// The inputs of a run that are saved with its weights.
pub struct RunInputs<'a> {
    /// The run config.
    pub config: &'a RunConfig,
    /// The frozen model, if any.
    pub frozen: Option<Checkpoint>,
}

/// Writes `folder/shard-NNN.safetensors` and the inputs. It replaces an existing folder.
///
/// # Errors
/// If a file is too large or cannot be written.
pub fn save(
    folder: &Path,
    progress: &Progress,
    parameters: &Parameters,
    ema: &Ema,
    inputs: &RunInputs,
) -> Result<()> {
    let weights =
        parameters.iter().map(|(name, var)| (format!("weight.{name}"), var.as_detached_tensor()));
    let mut tensors = weights.chain(ema.state()).collect::<Vec<_>>();
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    let shards = pack(tensors)?;
    let fresh = folder.with_extension("part");
    let context = || format!("shards {}", folder.display());
    if fresh.exists() {
        std::fs::remove_dir_all(&fresh).with_context(context)?;
    }
    std::fs::create_dir_all(&fresh).with_context(context)?;
    whole_file::write(config(&fresh), inputs.config.to_toml()?.as_bytes())?;
    if let Some(checkpoint) = &inputs.frozen {
        let bytes = checkpoint.to_bytes(Precision::F16).with_context(context)?;
        anyhow::ensure!(
            bytes.len() <= MAX_BYTES,
            "{}: expected a frozen model of at most {MAX_BYTES} bytes, found {}",
            context(),
            bytes.len()
        );
        whole_file::write(frozen(&fresh), &bytes)?;
    }
    let count = shards.len().to_string();
    for (i, shard) in shards.into_iter().enumerate() {
        let mut metadata = state::metadata(progress)?;
        metadata.insert(COUNT.to_string(), count.clone());
        let bytes = safetensors::serialize(shard, Some(metadata)).with_context(context)?;
        anyhow::ensure!(
            bytes.len() <= MAX_BYTES,
            "{}: shard {i}: expected at most {MAX_BYTES} bytes, found {}",
            context(),
            bytes.len()
        );
        whole_file::write(fresh.join(format!("{PREFIX}{i:03}.safetensors")), &bytes)?;
    }
    if folder.exists() {
        std::fs::remove_dir_all(folder).with_context(context)?;
    }
    std::fs::rename(&fresh, folder).with_context(context)
}

/// Reads shards into the variables and the average.
///
/// # Errors
/// If a file is missing, damaged, of another step or of another task.
pub fn load(folder: &Path, task: &str, parameters: &Parameters, ema: &mut Ema) -> Result<Progress> {
    let context = || format!("shards {}", folder.display());
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .with_context(context)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX))
        })
        .collect();
    files.sort();
    let (mut tensors, mut found) = (HashMap::new(), None);
    for file in &files {
        let context = || format!("shard {}", file.display());
        let bytes = std::fs::read(file).with_context(context)?;
        let (progress, metadata) = state::read_progress(&bytes).with_context(context)?;
        let count = metadata.get(COUNT).and_then(|count| count.parse::<usize>().ok());
        let (first, _) = found.get_or_insert((progress.clone(), count));
        anyhow::ensure!(
            first.step == progress.step,
            "{}: expected step {}, found {}",
            context(),
            first.step,
            progress.step
        );
        for (name, tensor) in
            candle_core::safetensors::load_buffer(&bytes, &Device::Cpu).with_context(context)?
        {
            tensors.insert(name, tensor.to_dtype(DType::F32)?);
        }
    }
    let (mut progress, count) =
        found.with_context(|| format!("{}: expected shards, found none", context()))?;
    let count =
        count.with_context(|| format!("{}: expected metadata `{COUNT}`, found none", context()))?;
    anyhow::ensure!(
        count == files.len(),
        "{}: expected {count} files, found {}",
        context(),
        files.len()
    );
    state::check_task(&progress, task).with_context(context)?;
    state::restore_weights(&tensors, parameters).with_context(context)?;
    ema.restore(&tensors).with_context(context)?;
    progress.optimiser_steps = 0;
    Ok(progress)
}

/// Converts tensors to f16 and fills one shard after the other.
fn pack(tensors: Vec<(String, Tensor)>) -> Result<Vec<Vec<(String, Tensor)>>> {
    let (mut shards, mut room) = (Vec::<Vec<_>>::new(), 0);
    for (name, tensor) in tensors {
        let bytes = 2 * tensor.elem_count();
        anyhow::ensure!(
            bytes <= MAX_BYTES - HEADER_BYTES,
            "shards: `{name}`: expected at most {} bytes, found {bytes}",
            MAX_BYTES - HEADER_BYTES
        );
        if bytes > room || shards.is_empty() {
            shards.push(Vec::new());
            room = MAX_BYTES - HEADER_BYTES;
        }
        room -= bytes;
        let tensor = tensor.to_device(&Device::Cpu)?.to_dtype(DType::F16)?;
        shards.last_mut().expect("one was pushed").push((name, tensor));
    }
    Ok(shards)
}
