//! One `.safetensors` file that holds a trained network and describes itself.
//!
//! Metadata (all strings, as the format asks): `format` = `luthier`, `format_version`, `kind`, and
//! as JSON `config`, `latent`, `provenance`, `metrics`. Tensors are `F32` or `F16` on disk, f32 in
//! memory, named as torch names them (`unet.down.0.res.0.conv1.weight`).
//!
//! A file is untrusted: whatever its bytes, reading ends in a [`Checkpoint`] or in one sentence
//! that names the field, never in a panic, and allocates no more than a small multiple of the
//! file's own length.

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
/// Raised when a file of an older build cannot be played any more.
pub const FORMAT_VERSION: u32 = 1;
/// Files above this are refused before they are read.
pub const MAX_FILE_BYTES: u64 = 1 << 30;
/// Headers (names, shapes, metadata) above this are refused before they are parsed.
pub const MAX_HEADER_BYTES: u64 = 4 << 20;

/// What a checkpoint holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The whole transfer model: encoder, decoder, style encoder, UNet.
    Model,
    /// Encoder and decoder alone, with the latent's statistics.
    Autoencoder,
    /// The instrument classifier (perceptual loss, evaluation).
    Classifier,
    /// The convolutions of VGGish (perceptual and style loss): nothing that plays.
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

    /// Whether it makes latents, whose statistics its file then carries.
    fn has_latent(self) -> bool {
        matches!(self, Self::Model | Self::Autoencoder)
    }
}

/// Mean and standard deviation of each latent channel over the training data; the UNet sees `(z -
/// mean) / std`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LatentStats {
    /// One finite mean a channel.
    pub mean: Vec<f32>,
    /// One finite standard deviation above 0 a channel.
    pub std: Vec<f32>,
}

impl LatentStats {
    /// Statistics that change nothing: mean 0, deviation 1.
    pub fn identity(channels: usize) -> Self {
        Self { mean: vec![0.0; channels], std: vec![1.0; channels] }
    }

    /// Refuses statistics that do not fit `channels` or would divide by 0.
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
    /// `shape`'s product of values.
    pub data: Vec<f32>,
}

/// A trained network with everything that is known about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// What it holds.
    pub kind: Kind,
    /// The config as JSON: a [`ModelConfig`] for model and autoencoder, the classifier's own for a
    /// classifier, null for VGGish, of which there is one.
    pub config: Value,
    /// Statistics of the latent; empty where there is none.
    pub latent: LatentStats,
    /// How it was trained: data, seeds, steps, versions.
    pub provenance: Value,
    /// What was measured of it.
    pub metrics: Value,
    /// Its parameters by name.
    pub tensors: BTreeMap<String, StoredTensor>,
    /// SHA-256 of the file in lower-case hex; empty for a checkpoint that was not read from one.
    pub sha256: String,
}

impl Checkpoint {
    /// A checkpoint to be filled and written: no tensors, no statistics, nothing known.
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

    /// The config of a model or an autoencoder, validated.
    pub fn model_config(&self) -> Result<ModelConfig> {
        if !self.kind.has_latent() {
            let found = format!("`{}`", self.kind.name());
            return Err(Error::checkpoint("kind", "`model` or `autoencoder`", found));
        }
        let config: ModelConfig = self.typed_config()?;
        config.validate()?;
        Ok(config)
    }

    /// The config of a classifier; its type checks its own ranges.
    pub fn classifier_config<T: DeserializeOwned>(&self) -> Result<T> {
        self.require(Kind::Classifier)?;
        self.typed_config()
    }

    /// Refuses a file of another kind.
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
            Error::checkpoint(field, "a value that this build knows", error.into_inner())
        })
    }

    /// Parameter counts by the first component of the tensors' names, in the names' order.
    pub fn parts(&self) -> Vec<(String, usize)> {
        let mut parts: Vec<(String, usize)> = Vec::new();
        for (name, tensor) in &self.tensors {
            let part = name.split('.').next().unwrap_or(name);
            match parts.iter_mut().find(|(known, _)| known == part) {
                Some((_, count)) => *count += tensor.data.len(),
                None => parts.push((part.to_string(), tensor.data.len())),
            }
        }
        parts
    }

    /// What reading and writing both ask of the statistics: of one model or autoencoder, those of
    /// its channels.
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
