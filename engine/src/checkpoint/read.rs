//! Decodes a checkpoint from untrusted bytes.

use std::collections::BTreeMap;
use std::path::Path;

use half::f16;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{
    Checkpoint, FORMAT, FORMAT_VERSION, Kind, LatentStats, MAX_FILE_BYTES, MAX_HEADER_BYTES,
    StoredTensor, strict_json,
};
use crate::regular_file::{self, Content};
use crate::{Error, Result};

/// Size of the header's length, a little-endian u64 at the start of the file.
const LENGTH_BYTES: usize = 8;
/// Longest excerpt of the file's text in an error message.
const QUOTE_CHARS: usize = 60;

impl Checkpoint {
    /// Reads and validates a file.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let refuse = |error: Error| Error::file(path, error);
        match regular_file::read(path, MAX_FILE_BYTES) {
            Ok(Content::Bytes(bytes)) => Self::from_bytes(&bytes).map_err(refuse),
            Ok(Content::TooLarge(len_bytes)) => Err(refuse(wrong_len(len_bytes))),
            Ok(Content::NotAFile) => {
                Err(Error::file(path, "expected a model file, found a folder or a device"))
            }
            Err(error) => Err(Error::file(path, format!("cannot be read: {error}"))),
        }
    }

    /// Validates and decodes the bytes of a file.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let mut checkpoint = Self::describe(bytes)?;
        checkpoint.tensors = tensors(bytes)?;
        checkpoint.sha256 = sha256_hex(bytes);
        Ok(checkpoint)
    }

    /// Reads and validates a file's description, without tensors and hash. The cost does not depend
    /// on the size of the tensors.
    pub fn describe(bytes: &[u8]) -> Result<Self> {
        check_file_len(bytes.len() as u64)?;
        let metadata = check_header(bytes)?;
        let config = json(&metadata, "config")?;
        let kind: Kind = typed("kind", Value::String(text(&metadata, "kind")?.to_string()))?;
        let latent: LatentStats = match (kind, metadata.contains_key("latent")) {
            (kind, false) if !kind.has_latent() => LatentStats::default(),
            _ => typed("latent", json(&metadata, "latent")?)?,
        };
        let checkpoint = Self {
            kind,
            config,
            latent,
            provenance: json(&metadata, "provenance")?,
            metrics: json(&metadata, "metrics")?,
            tensors: BTreeMap::new(),
            sha256: String::new(),
        };
        checkpoint.validate_description()?;
        Ok(checkpoint)
    }
}

fn check_file_len(len_bytes: u64) -> Result<()> {
    if (LENGTH_BYTES as u64..=MAX_FILE_BYTES).contains(&len_bytes) {
        return Ok(());
    }
    Err(wrong_len(len_bytes))
}

fn wrong_len(len_bytes: u64) -> Error {
    let expected = format!("a safetensors file of {LENGTH_BYTES} to {MAX_FILE_BYTES} bytes");
    Error::checkpoint("file", expected, format!("{len_bytes} bytes"))
}

/// Checks what the safetensors crate does not: the header's size, duplicate keys, overflowing
/// offsets, and this format with its version. Returns the metadata, which are all strings.
fn check_header(bytes: &[u8]) -> Result<Map<String, Value>> {
    let header = header_text(bytes)?;
    let parsed = strict_json::parse(header)
        .map_err(|error| Error::checkpoint("header", "the JSON of a safetensors file", error))?;
    let Value::Object(mut entries) = parsed else {
        return Err(Error::checkpoint("header", "a JSON object", quote(header)));
    };
    let metadata = match entries.remove("__metadata__") {
        Some(Value::Object(metadata)) => metadata,
        Some(other) => {
            return Err(Error::checkpoint(
                "__metadata__",
                "a JSON object",
                quote(&other.to_string()),
            ));
        }
        None => return Err(Error::checkpoint("format", format!("`{FORMAT}`"), "no metadata")),
    };
    if let Some((key, value)) = metadata.iter().find(|(_, value)| !value.is_string()) {
        return Err(Error::checkpoint(key, "a string", quote(&value.to_string())));
    }
    check_format(&metadata)?;
    let data_bytes = (bytes.len() - LENGTH_BYTES - header.len()) as u64;
    entries.iter().try_for_each(|(name, entry)| check_offsets(name, entry, data_bytes))?;
    Ok(metadata)
}

fn header_text(bytes: &[u8]) -> Result<&str> {
    let Some((length, rest)) = bytes.split_first_chunk::<LENGTH_BYTES>() else {
        return Err(Error::checkpoint(
            "file",
            "a safetensors file",
            format!("{} bytes", bytes.len()),
        ));
    };
    if rest.first() != Some(&b'{') {
        return Err(Error::checkpoint("file", "a Luthier model (.safetensors)", "something else"));
    }
    let length = u64::from_le_bytes(*length);
    let bound = MAX_HEADER_BYTES.min(rest.len() as u64);
    if length > bound {
        return Err(Error::checkpoint(
            "header",
            format!("a length of at most {bound} bytes (the file may be cut off)"),
            length,
        ));
    }
    std::str::from_utf8(&rest[..length as usize])
        .map_err(|error| Error::checkpoint("header", "UTF-8 text", error))
}

fn check_format(metadata: &Map<String, Value>) -> Result<()> {
    let format = text(metadata, "format")?;
    if format != FORMAT {
        return Err(Error::checkpoint(
            "format",
            format!("`{FORMAT}`"),
            format!("`{}`", quote(format)),
        ));
    }
    let version = text(metadata, "format_version")?;
    if version.parse() != Ok(FORMAT_VERSION) {
        let expected = format!("{FORMAT_VERSION} (the version that this build reads)");
        return Err(Error::checkpoint("format_version", expected, quote(version)));
    }
    Ok(())
}

fn check_offsets(name: &str, entry: &Value, data_bytes: u64) -> Result<()> {
    let offset = |i: usize| entry.get("data_offsets")?.get(i)?.as_u64();
    match (offset(0), offset(1)) {
        (Some(begin), Some(end)) if begin <= end && end <= data_bytes => Ok(()),
        _ => {
            let expected = format!("data_offsets within the {data_bytes} bytes of data");
            Err(Error::checkpoint(name, expected, quote(&entry.to_string())))
        }
    }
}

fn tensors(bytes: &[u8]) -> Result<BTreeMap<String, StoredTensor>> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| {
        Error::checkpoint("header", "tensors that cover the file's data exactly", error)
    })?;
    file.iter().map(|(name, view)| Ok((name.to_string(), decode(name, &view)?))).collect()
}

fn decode(name: &str, view: &TensorView) -> Result<StoredTensor> {
    let data: Vec<f32> = match view.dtype() {
        Dtype::F32 => {
            view.data().as_chunks::<4>().0.iter().map(|&value| f32::from_le_bytes(value)).collect()
        }
        Dtype::F16 => view
            .data()
            .as_chunks::<2>()
            .0
            .iter()
            .map(|&value| f16::from_le_bytes(value).to_f32())
            .collect(),
        other => return Err(Error::checkpoint(name, "F32 or F16", other)),
    };
    match data.iter().position(|value| !value.is_finite()) {
        Some(i) => {
            Err(Error::checkpoint(name, "finite numbers", format!("{} at position {i}", data[i])))
        }
        None => Ok(StoredTensor { shape: view.shape().to_vec(), data }),
    }
}

fn text<'a>(metadata: &'a Map<String, Value>, key: &str) -> Result<&'a str> {
    metadata
        .get(key)
        .and_then(Value::as_str)
        .ok_or_else(|| Error::checkpoint(key, "a metadata entry", "nothing"))
}

fn json(metadata: &Map<String, Value>, key: &str) -> Result<Value> {
    strict_json::parse(text(metadata, key)?).map_err(|error| Error::checkpoint(key, "JSON", error))
}

fn typed<T: DeserializeOwned>(field: &str, value: Value) -> Result<T> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." { field.to_string() } else { format!("{field}.{path}") };
        Error::checkpoint(field, "a value that this build supports", error.into_inner())
    })
}

/// The beginning of a text from the file.
fn quote(text: &str) -> String {
    match text.char_indices().nth(QUOTE_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_string(),
    }
}

/// SHA-256 in lower-case hex, as `sha256sum` prints it.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
