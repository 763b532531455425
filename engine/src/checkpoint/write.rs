//! Encodes a checkpoint. Equal checkpoints have equal bytes.

use std::path::Path;

use half::f16;
use serde_json::{Map, Value, json};

use super::{Checkpoint, FORMAT, FORMAT_VERSION, MAX_FILE_BYTES, MAX_HEADER_BYTES, StoredTensor};
use crate::{Error, Result, whole_file};

/// Precision of the weights on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// The exact values.
    F32,
    /// Half the size, rounded to 11 significant bits.
    F16,
}

impl Precision {
    fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
        }
    }
}

impl Checkpoint {
    /// Writes the file atomically.
    pub fn write(&self, path: impl AsRef<Path>, precision: Precision) -> Result<()> {
        whole_file::write(path, self.to_bytes(precision)?)
    }

    /// The file's bytes. Everything that [`Checkpoint::from_bytes`] rejects is rejected here.
    pub fn to_bytes(&self, precision: Precision) -> Result<Vec<u8>> {
        self.validate_description()?;
        let header = self.header(precision)?;
        let values: usize = self.tensors.values().map(|tensor| tensor.data.len()).sum();
        let len_bytes = 8 + header.len() + values * precision.bytes();
        if header.len() as u64 > MAX_HEADER_BYTES || len_bytes as u64 > MAX_FILE_BYTES {
            let expected =
                format!("at most {MAX_FILE_BYTES} bytes, {MAX_HEADER_BYTES} of them header");
            return Err(Error::checkpoint(
                "file",
                expected,
                format!("{len_bytes} and {}", header.len()),
            ));
        }
        let mut bytes = Vec::with_capacity(len_bytes);
        bytes.extend((header.len() as u64).to_le_bytes());
        bytes.extend(header);
        for (name, tensor) in &self.tensors {
            encode(name, tensor, precision, &mut bytes)?;
        }
        Ok(bytes)
    }

    /// Not from the safetensors crate, which writes metadata in the random order of a hash map.
    fn header(&self, precision: Precision) -> Result<Vec<u8>> {
        let mut metadata = json!({
            "format": FORMAT,
            "format_version": FORMAT_VERSION.to_string(),
            "kind": self.kind.name(),
            "config": self.config.to_string(),
            "provenance": self.provenance.to_string(),
            "metrics": self.metrics.to_string(),
        });
        if self.kind.has_latent() {
            metadata["latent"] =
                json!({ "mean": self.latent.mean, "std": self.latent.std }).to_string().into();
        }
        let mut entries = Map::new();
        entries.insert("__metadata__".into(), metadata);
        let mut begin = 0;
        for (name, tensor) in &self.tensors {
            let end = begin + tensor.data.len() * precision.bytes();
            let entry = json!({
                "dtype": precision.name(), "shape": tensor.shape, "data_offsets": [begin, end],
            });
            if entries.insert(name.clone(), entry).is_some() {
                return Err(Error::checkpoint(name, "the name of a tensor", "a reserved word"));
            }
            begin = end;
        }
        let mut header = Value::Object(entries).to_string().into_bytes();
        // Padded with spaces to a multiple of 8, so that the data is aligned in a mapped file.
        header.resize(header.len().next_multiple_of(8), b' ');
        Ok(header)
    }
}

fn encode(
    name: &str,
    tensor: &StoredTensor,
    precision: Precision,
    bytes: &mut Vec<u8>,
) -> Result<()> {
    let count = tensor.shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
    if count != Some(tensor.data.len()) {
        let expected = format!("the values of shape {:?}", tensor.shape);
        return Err(Error::checkpoint(name, expected, tensor.data.len()));
    }
    for (i, &value) in tensor.data.iter().enumerate() {
        let fits = match precision {
            Precision::F32 => {
                bytes.extend(value.to_le_bytes());
                value.is_finite()
            }
            Precision::F16 => {
                let half = f16::from_f32(value);
                bytes.extend(half.to_le_bytes());
                half.is_finite()
            }
        };
        if !fits {
            let expected = format!("finite numbers within {}", precision.name());
            return Err(Error::checkpoint(name, expected, format!("{value} at position {i}")));
        }
    }
    Ok(())
}
