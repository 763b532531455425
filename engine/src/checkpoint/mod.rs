//! A trained network with its description in one `.safetensors` file.
//!
//! The metadata are strings, as the format requires: `format` = `luthier`, `format_version`,
//! `kind`, and `config`, `latent`, `provenance` and `metrics` as JSON. Tensors are `F32` or `F16`
//! on disk and f32 in memory, with torch's names (`unet.down.0.res.0.conv1.weight`).
//!
//! Files are untrusted. Reading any bytes returns a [`Checkpoint`] or an error that names the
//! field. It never panics and allocates at most a small multiple of the file's length.
//!
//! ```
//! use engine::checkpoint::{Checkpoint, Kind, LatentStats, Precision};
//! use engine::config::ModelConfig;
//!
//! let mut checkpoint = Checkpoint::new(Kind::Autoencoder, &ModelConfig::default())?;
//! checkpoint.latent = LatentStats::identity(32);
//!
//! let bytes = checkpoint.to_bytes(Precision::F32)?;
//! let read = Checkpoint::from_bytes(&bytes)?;
//! assert_eq!(read.model_config()?, ModelConfig::default());
//! assert!(Checkpoint::from_bytes(&bytes[..100]).is_err());
//! # Ok::<(), engine::Error>(())
//! ```

mod expect;
mod read;
mod strict_json;
mod write;

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::ModelConfig;
use crate::{Error, Result};

pub use read::sha256_hex;
pub use write::Precision;

/// Value of the metadata key `format`.
pub const FORMAT: &str = "luthier";
/// Incremented when this build can no longer use files of an older one.
pub const FORMAT_VERSION: u32 = 1;
/// Larger files are rejected before they are read.
pub const MAX_FILE_BYTES: u64 = 1 << 30;
/// Larger headers (names, shapes, metadata) are rejected before they are parsed.
pub const MAX_HEADER_BYTES: u64 = 4 << 20;

/// The kind of network in a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The whole transfer model: encoder, decoder, style encoder, UNet.
    Model,
    /// Encoder and decoder with the latent's statistics.
    Autoencoder,
    /// The instrument classifier (perceptual loss, evaluation).
    Classifier,
    /// The convolutions of VGGish (perceptual and style loss), which only training uses.
    Vggish,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Autoencoder => "autoencoder",
            Self::Classifier => "classifier",
            Self::Vggish => "vggish",
        }
    }

    /// Whether the network has a latent and its file the latent's statistics.
    fn has_latent(self) -> bool {
        matches!(self, Self::Model | Self::Autoencoder)
    }
}

/// Mean and standard deviation of each latent channel over the training data. The UNet processes
/// `(z - mean) / std`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LatentStats {
    /// One finite mean per channel.
    pub mean: Vec<f32>,
    /// One finite standard deviation above 0 per channel.
    pub std: Vec<f32>,
}

impl LatentStats {
    /// Statistics that leave a latent unchanged: mean 0, standard deviation 1.
    pub fn identity(channels: usize) -> Self {
        Self { mean: vec![0.0; channels], std: vec![1.0; channels] }
    }

    /// Checks that there is one value per channel, all are finite, and all deviations are above 0.
    pub fn validate(&self, channels: usize) -> Result<()> {
        for (field, values, positive) in
            [("latent.mean", &self.mean, false), ("latent.std", &self.std, true)]
        {
            if values.len() != channels {
                let expected = format!("{channels} values (autoencoder.latent_channels)");
                return Err(Error::checkpoint(field, expected, values.len()));
            }
            let usable = |v: f32| v.is_finite() && (!positive || v > 0.0);
            if let Some(i) = values.iter().position(|&v| !usable(v)) {
                let expected = if positive { "a finite number above 0" } else { "a finite number" };
                return Err(Error::checkpoint(format!("{field}[{i}]"), expected, values[i]));
            }
        }
        Ok(())
    }
}

/// One tensor, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredTensor {
    /// Sizes of the axes; empty for a scalar.
    pub shape: Vec<usize>,
    /// As many values as the product of `shape`.
    pub data: Vec<f32>,
}

/// A trained network with its description.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// The kind of network.
    pub kind: Kind,
    /// The config as JSON: a [`ModelConfig`] for model and autoencoder, the classifier's own config
    /// for a classifier, null for VGGish.
    pub config: Value,
    /// Statistics of the latent; empty for networks without one.
    pub latent: LatentStats,
    /// How it was trained: data, seeds, steps, versions.
    pub provenance: Value,
    /// Results of evaluations.
    pub metrics: Value,
    /// The parameters by name.
    pub tensors: BTreeMap<String, StoredTensor>,
    /// SHA-256 of the file in lower-case hex; empty for a checkpoint that was not read from a file.
    pub sha256: String,
}

impl Checkpoint {
    /// An empty checkpoint: no tensors, statistics, provenance or metrics.
    pub fn new(kind: Kind, config: &impl Serialize) -> Result<Self> {
        let config = serde_json::to_value(config)
            .map_err(|error| Error::checkpoint("config", "a value that JSON can hold", error))?;
        Ok(Self {
            kind,
            config,
            latent: LatentStats::default(),
            provenance: Value::Null,
            metrics: Value::Null,
            tensors: BTreeMap::new(),
            sha256: String::new(),
        })
    }

    /// The validated config of a model or an autoencoder.
    pub fn model_config(&self) -> Result<ModelConfig> {
        if !self.kind.has_latent() {
            let found = format!("`{}`", self.kind.name());
            return Err(Error::checkpoint("kind", "`model` or `autoencoder`", found));
        }
        let config: ModelConfig = self.typed_config()?;
        config.validate()?;
        Ok(config)
    }

    /// The config of a classifier. Its type checks its ranges.
    pub fn classifier_config<T: DeserializeOwned>(&self) -> Result<T> {
        self.require(Kind::Classifier)?;
        self.typed_config()
    }

    /// Checks that the checkpoint is of this kind.
    pub fn require(&self, kind: Kind) -> Result<()> {
        if self.kind == kind {
            return Ok(());
        }
        Err(Error::checkpoint(
            "kind",
            format!("`{}`", kind.name()),
            format!("`{}`", self.kind.name()),
        ))
    }

    fn typed_config<T: DeserializeOwned>(&self) -> Result<T> {
        serde_path_to_error::deserialize(&self.config).map_err(|error| {
            let path = error.path().to_string();
            let field = if path == "." { "config".into() } else { format!("config.{path}") };
            Error::checkpoint(field, "a value that this build supports", error.into_inner())
        })
    }

    /// Parameter counts by the first component of the tensors' names, in order of the names.
    pub fn parts(&self) -> Vec<(String, usize)> {
        let mut parts: Vec<(String, usize)> = Vec::new();
        for (name, tensor) in &self.tensors {
            let part = name.split('.').next().unwrap_or(name);
            match parts.iter_mut().find(|(first, _)| first == part) {
                Some((_, count)) => *count += tensor.data.len(),
                None => parts.push((part.to_string(), tensor.data.len())),
            }
        }
        parts
    }

    /// Checks the statistics, on reading and on writing: one mean and deviation for each latent
    /// channel, none for networks without a latent.
    fn validate_description(&self) -> Result<()> {
        let channels = match self.kind.has_latent() {
            true => self.model_config()?.autoencoder.latent_channels,
            false => 0,
        };
        self.latent.validate(channels)
    }
}

#[cfg(test)]
mod tests;
