//! `trainer export`: converts a run's checkpoint to a model file for the plugin.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::Device;
use engine::checkpoint::{Checkpoint, Kind, Precision};
use engine::config::ModelConfig;
use engine::inference_model::InferenceModel;
use engine::models::model::Model;
use engine::models::{DECODER, ENCODER};
use engine::nn::candle::{Candle, ParamStore};
use engine::{Error, Result};
use serde_json::Value;

/// Writes a trained model in half precision for the plugin and the command line.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Model file of a run.
    #[arg(long)]
    pub model: PathBuf,
    /// Average the weights with those of this model, from which the training started. Keeps more of
    /// what the earlier model learnt (Wortsman et al. 2022, arXiv 2109.01903).
    #[arg(long, value_name = "MODEL")]
    pub mean_with: Option<PathBuf>,
    /// Write only the autoencoder, in full precision, for `train --model ldm --init`.
    #[arg(long, conflicts_with = "mean_with")]
    pub autoencoder: bool,
    /// Gain of the model's output in dB: by how much the output is too quiet
    /// (`evaluate audio --split validation`).
    #[arg(long, value_name = "DB", conflicts_with = "autoencoder")]
    pub makeup_db: Option<f32>,
    /// File to write.
    #[arg(long)]
    pub out: PathBuf,
}

/// Checks that the model runs, and writes it.
pub fn run(args: &Args) -> Result<()> {
    let mut checkpoint = Checkpoint::read(&args.model)?;
    if let Some(path) = &args.mean_with {
        average_weights(&mut checkpoint, &Checkpoint::read(path)?, path)?;
    }
    if let Some(makeup_db) = args.makeup_db {
        set_makeup(&mut checkpoint, makeup_db)?;
    }
    if checkpoint.kind == Kind::Model {
        InferenceModel::packed(&checkpoint)?;
    }
    strip_folders(&mut checkpoint.provenance);
    if args.autoencoder {
        return autoencoder(&checkpoint)?.write(&args.out, Precision::F32);
    }
    checkpoint.write(&args.out, Precision::F16)
}

/// Sets the makeup gain in the model's config.
fn set_makeup(checkpoint: &mut Checkpoint, makeup_db: f32) -> Result<()> {
    let config = ModelConfig { makeup_db, ..checkpoint.model_config()? };
    config.validate()?;
    checkpoint.config = Checkpoint::new(checkpoint.kind, &config)?.config;
    Ok(())
}

/// Extracts the autoencoder of a model file or an autoencoder file.
///
/// # Errors
/// If encoder or decoder is missing.
pub fn autoencoder(checkpoint: &Checkpoint) -> Result<Checkpoint> {
    // Returns an error for files without a model config.
    checkpoint.model_config()?;
    let own = |text: &Value| text.get("autoencoder").unwrap_or(text).clone();
    let part =
        |name: &str| name.split('.').next().is_some_and(|part| [ENCODER, DECODER].contains(&part));
    let tensors = checkpoint.tensors.iter().filter(|(name, _)| part(name));
    for part in [ENCODER, DECODER] {
        if !checkpoint.tensors.keys().any(|name| name.split('.').next() == Some(part)) {
            return Err(Error::checkpoint(part, "its weights", "none"));
        }
    }
    Ok(Checkpoint {
        kind: Kind::Autoencoder,
        config: checkpoint.config.clone(),
        latent: checkpoint.latent.clone(),
        provenance: own(&checkpoint.provenance),
        metrics: own(&checkpoint.metrics),
        tensors: tensors.map(|(name, tensor)| (name.clone(), tensor.clone())).collect(),
        sha256: String::new(),
    })
}

/// Replaces the weights by the mean of both models' weights. The run's metrics do not apply to the
/// mean and are removed.
///
/// A part that the other model lacks was added at the start of the training, behind layers of
/// zeros. The mean is computed with these zeros. The other weights of the part stay as trained.
fn average_weights(checkpoint: &mut Checkpoint, other: &Checkpoint, path: &Path) -> Result<()> {
    let added = checkpoint.tensors.keys().any(|name| !other.tensors.contains_key(name));
    let zeros = if added { zeros_at_start(checkpoint, other)? } else { BTreeMap::new() };
    for (name, tensor) in &mut checkpoint.tensors {
        match (other.tensors.get(name), zeros.get(name)) {
            (Some(found), _) if found.shape == tensor.shape => {
                tensor.data.iter_mut().zip(&found.data).for_each(|(a, b)| *a = 0.5 * (*a + b));
            }
            (None, Some(true)) => tensor.data.iter_mut().for_each(|value| *value *= 0.5),
            (None, Some(false)) => {}
            _ => {
                let expected =
                    format!("expected `{name}` {:?} as in the model, found none", tensor.shape);
                return Err(Error::file(path, expected));
            }
        }
    }
    checkpoint.provenance["mean_with"] = other.provenance.clone();
    if let Some(metrics) = checkpoint.metrics.as_object_mut() {
        metrics.remove("ldm");
    }
    Ok(())
}

/// The weights that the other, complete model lacks, and whether each is zero before training.
fn zeros_at_start(checkpoint: &Checkpoint, other: &Checkpoint) -> Result<BTreeMap<String, bool>> {
    InferenceModel::packed(other)?;
    let (config, latent) = (checkpoint.model_config()?, &checkpoint.latent);
    let mut fresh = ParamStore::new(&Device::Cpu, 0);
    Model::<Candle>::load(&mut &mut fresh, config, latent.mean.clone(), latent.std.clone())?;
    let added = fresh.export()?.into_iter().filter(|(name, _)| !other.tensors.contains_key(name));
    Ok(added.map(|(name, (_, values))| (name, values.iter().all(|value| *value == 0.0))).collect())
}

/// Removes the folders from absolute paths, because they are meaningless on other machines.
fn strip_folders(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let (true, Some(name)) = (Path::new(text).is_absolute(), Path::new(text).file_name())
            {
                *text = name.to_string_lossy().into_owned();
            }
        }
        Value::Array(values) => values.iter_mut().for_each(strip_folders),
        Value::Object(fields) => fields.values_mut().for_each(strip_folders),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use engine::checkpoint::{LatentStats, StoredTensor};

    use super::*;

    #[test]
    fn the_mean_is_between_two_models_and_needs_equal_tensors() {
        let model = |value: f32, name: &str| {
            let mut checkpoint = Checkpoint::new(Kind::Model, &ModelConfig::default()).unwrap();
            let tensor = StoredTensor { shape: vec![2], data: vec![value, -value] };
            checkpoint.tensors.insert(name.into(), tensor);
            checkpoint
        };
        let (mut mean, path) = (model(1.0, "unet.w"), Path::new("other.safetensors"));
        average_weights(&mut mean, &model(2.0, "unet.w"), path).unwrap();
        assert_eq!(mean.tensors["unet.w"].data, [1.5, -1.5]);
        assert!(mean.provenance.get("mean_with").is_some());
        let mut wide = model(2.0, "unet.w");
        wide.tensors.get_mut("unet.w").unwrap().shape = vec![1, 2];
        let error = average_weights(&mut mean, &wide, path).unwrap_err().to_string();
        assert!(error.contains("other.safetensors") && error.contains("unet.w"), "{error}");
        let error =
            average_weights(&mut mean, &model(2.0, "unet.v"), path).unwrap_err().to_string();
        assert!(error.contains("encoder"), "an incomplete model is refused: {error}");
    }

    #[test]
    fn makeup_gain_is_written_to_the_config_and_refused_out_of_bounds() {
        let mut checkpoint = Checkpoint::new(Kind::Model, &ModelConfig::default()).unwrap();
        set_makeup(&mut checkpoint, 2.5).unwrap();
        let expected = ModelConfig { makeup_db: 2.5, ..ModelConfig::default() };
        assert_eq!(checkpoint.model_config().unwrap(), expected);
        assert!(set_makeup(&mut checkpoint, 40.0).unwrap_err().to_string().contains("makeup_db"));
        assert_eq!(checkpoint.model_config().unwrap(), expected);
    }

    #[test]
    fn an_extracted_autoencoder_is_an_autoencoder_file_and_can_be_extracted_again() {
        let mut model = Checkpoint::new(Kind::Model, &ModelConfig::default()).unwrap();
        for name in ["encoder.w", "decoder.w", "style.w", "unet.w"] {
            model.tensors.insert(name.into(), StoredTensor { shape: vec![1], data: vec![1.0] });
        }
        model.provenance =
            serde_json::json!({ "autoencoder": { "steps": 3 }, "ldm": { "steps": 5 } });
        let alone = autoencoder(&model).unwrap();
        assert_eq!(alone.kind, Kind::Autoencoder);
        assert_eq!(alone.tensors.keys().collect::<Vec<_>>(), ["decoder.w", "encoder.w"]);
        assert_eq!(alone.provenance, serde_json::json!({ "steps": 3 }));
        assert_eq!(autoencoder(&alone).unwrap().tensors, alone.tensors);
        model.tensors.remove("decoder.w");
        assert!(autoencoder(&model).unwrap_err().to_string().contains("decoder"));
        let judge = Checkpoint::new(Kind::Classifier, &serde_json::json!({})).unwrap();
        assert!(autoencoder(&judge).is_err());
    }

    #[test]
    fn an_added_part_is_halved_where_it_was_initially_zero() {
        let trained = |config: &ModelConfig| {
            let mut store = ParamStore::new(&Device::Cpu, 1);
            let latent = LatentStats { mean: vec![0.0; 32], std: vec![1.0; 32] };
            Model::<Candle>::load(
                &mut &mut store,
                config.clone(),
                latent.mean.clone(),
                latent.std.clone(),
            )
            .unwrap();
            let mut checkpoint = Checkpoint::new(Kind::Model, config).unwrap();
            let ones = |(name, (shape, data)): (String, (Vec<usize>, Vec<f32>))| {
                (name, StoredTensor { shape, data: vec![1.0; data.len()] })
            };
            checkpoint.tensors = store.export().unwrap().into_iter().map(ones).collect();
            checkpoint.latent = latent;
            checkpoint
        };
        let mut before = ModelConfig::default();
        before.unet.profile_channels = 0;
        let mut mean = trained(&ModelConfig::default());
        average_weights(&mut mean, &trained(&before), Path::new("before.safetensors")).unwrap();
        let first = |name: &str| mean.tensors[name].data[0];
        assert_eq!(
            ["unet.out.weight", "unet.profile.0.weight", "unet.profile.out.weight"].map(first),
            [1.0, 1.0, 0.5]
        );
    }

    #[test]
    fn exported_files_contain_no_folders_of_the_training_machine() {
        let mut value = serde_json::json!({
            "run": {"data": "/home/me/aligned", "seed": 1},
            "files": ["/a/b.sf2", "c.sf2"]
        });
        strip_folders(&mut value);
        assert_eq!(
            value,
            serde_json::json!({"run": {"data": "aligned", "seed": 1}, "files": ["b.sf2", "c.sf2"]})
        );
    }
}
