//! `trainer export`: a run's checkpoint as a file to ship.

use std::path::{Path, PathBuf};

use engine::checkpoint::{Checkpoint, Kind, Precision};
use engine::playable::Playable;
use engine::{Error, Result};
use serde_json::Value;

/// Writes a trained model with half-precision weights: half the size, and what the plugin and the command line read.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Model file of a run.
    #[arg(long)]
    pub model: PathBuf,
    /// Writes the mean of its weights and those of the model that its training started from: what it has learnt of its data costs
    /// less of what that one knew of others (Wortsman et al. 2022, arXiv 2109.01903).
    #[arg(long, value_name = "MODEL")]
    pub mean_with: Option<PathBuf>,
    /// File to write.
    #[arg(long)]
    pub out: PathBuf,
}

/// Checks that the model plays, and writes it.
pub fn run(args: &Args) -> Result<()> {
    let mut checkpoint = Checkpoint::read(&args.model)?;
    if let Some(path) = &args.mean_with {
        take_mean(&mut checkpoint, &Checkpoint::read(path)?, path)?;
    }
    if checkpoint.kind == Kind::Model {
        Playable::packed(&checkpoint)?;
    }
    forget_folders(&mut checkpoint.provenance);
    checkpoint.write(&args.out, Precision::F16)
}

/// The mean of both models' weights. The run's metrics are not the mean's and go.
fn take_mean(checkpoint: &mut Checkpoint, other: &Checkpoint, path: &Path) -> Result<()> {
    let describe = |tensors: usize| format!("{tensors} tensors");
    if checkpoint.tensors.len() != other.tensors.len() {
        let (expected, found) = (describe(checkpoint.tensors.len()), describe(other.tensors.len()));
        return Err(Error::file(path, format!("expected the model's {expected}, found {found}")));
    }
    for (name, tensor) in &mut checkpoint.tensors {
        let found = other.tensors.get(name).filter(|found| found.shape == tensor.shape);
        let found = found.ok_or_else(|| {
            Error::file(path, format!("expected `{name}` {:?} as in the model, found none", tensor.shape))
        })?;
        tensor.data.iter_mut().zip(&found.data).for_each(|(a, b)| *a = 0.5 * (*a + b));
    }
    checkpoint.provenance["mean_with"] = other.provenance.clone();
    if let Some(metrics) = checkpoint.metrics.as_object_mut() {
        metrics.remove("ldm");
    }
    Ok(())
}

/// Leaves only the names of files and folders: where they lay on the trainer's machine says nothing elsewhere.
fn forget_folders(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let (true, Some(name)) = (Path::new(text).is_absolute(), Path::new(text).file_name()) {
                *text = name.to_string_lossy().into_owned();
            }
        }
        Value::Array(values) => values.iter_mut().for_each(forget_folders),
        Value::Object(fields) => fields.values_mut().for_each(forget_folders),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use engine::checkpoint::StoredTensor;
    use engine::config::ModelConfig;

    use super::*;

    #[test]
    fn a_mean_lies_between_its_models_and_needs_the_same_ones() {
        let model = |value: f32, name: &str| {
            let mut checkpoint = Checkpoint::new(Kind::Model, &ModelConfig::default()).unwrap();
            let tensor = StoredTensor { shape: vec![2], data: vec![value, -value] };
            checkpoint.tensors.insert(name.into(), tensor);
            checkpoint
        };
        let (mut mean, path) = (model(1.0, "unet.w"), Path::new("other.safetensors"));
        take_mean(&mut mean, &model(2.0, "unet.w"), path).unwrap();
        assert_eq!(mean.tensors["unet.w"].data, [1.5, -1.5]);
        assert!(mean.provenance.get("mean_with").is_some());
        let error = take_mean(&mut mean, &model(2.0, "unet.v"), path).unwrap_err().to_string();
        assert!(error.contains("other.safetensors") && error.contains("unet.w"), "{error}");
    }

    #[test]
    fn what_is_shipped_names_no_folder_of_the_machine_that_trained_it() {
        let mut value = serde_json::json!({"run": {"data": "/home/me/aligned", "seed": 1}, "files": ["/a/b.sf2", "c.sf2"]});
        forget_folders(&mut value);
        assert_eq!(
            value,
            serde_json::json!({"run": {"data": "aligned", "seed": 1}, "files": ["b.sf2", "c.sf2"]})
        );
    }
}
