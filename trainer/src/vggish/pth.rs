//! Torch's `.pth` files: the state dict of a network, in either format of `torch.save`.
//!
//! Since torch 1.6 the format is a zip archive, which candle reads. torchvggish's published file
//! has the older format, a sequence of pickles: a magic number, the version, the system, the state
//! dict and the keys of the storages. After these each storage follows: its number of elements as a
//! little-endian 64-bit integer, and its bytes.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use candle_core::DType;
use candle_core::pickle::{Object, PthTensors, Stack, TensorInfo};
use engine::checkpoint::StoredTensor;
use engine::{Error, Result};

/// First bytes of a zip archive.
const ZIP: &[u8] = b"PK\x03\x04";
/// The first pickle of the old format: protocol 2, the ten-byte number 0x1950a86a20f9469cfc6c,
/// stop.
const MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

/// An open state dict. Tensors are read on demand.
pub struct Pth {
    path: PathBuf,
    form: Format,
}

enum Format {
    Zip(PthTensors),
    Sequential { tensors: HashMap<String, TensorInfo>, storages: HashMap<String, u64> },
}

impl Pth {
    /// Reads names, shapes and offsets of a file's tensors.
    ///
    /// # Errors
    /// If the file cannot be read or is not a state dict.
    pub fn open(path: &Path) -> Result<Self> {
        let failed = |reason: String| Error::file(path, reason);
        let file = File::open(path).map_err(|error| failed(format!("cannot be read: {error}")))?;
        let mut reader = BufReader::new(file);
        let start =
            reader.fill_buf().map_err(|error| failed(format!("cannot be read: {error}")))?.to_vec();
        let expected = |error| {
            failed(format!(
                "expected a complete state dict saved by torch (.pth): {}",
                first_line(&error)
            ))
        };
        let form = if start.starts_with(ZIP) {
            Format::Zip(PthTensors::new(path, None).map_err(expected)?)
        } else if start.starts_with(MAGIC) {
            sequential(&mut reader).map_err(expected)?
        } else {
            return Err(failed(
                "expected a state dict saved by torch (.pth), found another format".into(),
            ));
        };
        Ok(Self { path: path.to_path_buf(), form })
    }

    /// Reads one tensor of 32-bit floats.
    ///
    /// # Errors
    /// If no tensor has this name, shape and type, or the file is truncated.
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<StoredTensor> {
        let refused = |expected: &str, found: &str| {
            Error::file(&self.path, format!("tensor `{name}`: expected {expected}, found {found}"))
        };
        let infos = match &self.form {
            Format::Zip(file) => file.tensor_infos(),
            Format::Sequential { tensors, .. } => tensors,
        };
        let info = infos.get(name).ok_or_else(|| refused(&format!("shape {shape:?}"), "none"))?;
        if info.layout.dims() != shape {
            return Err(refused(&format!("shape {shape:?}"), &format!("{:?}", info.layout.dims())));
        }
        if info.dtype != DType::F32 {
            return Err(refused("32-bit floats", info.dtype.as_str()));
        }
        let data = match &self.form {
            Format::Zip(file) => file.get(name).and_then(|tensor| match tensor {
                Some(tensor) => tensor.flatten_all()?.to_vec1(),
                None => candle_core::bail!("no tensor"),
            }),
            Format::Sequential { storages, .. } => self.floats(storages, info),
        };
        let data = data.map_err(|error| refused("its values", &first_line(&error)))?;
        Ok(StoredTensor { shape: shape.to_vec(), data })
    }

    /// The 32-bit floats of a tensor in the old format.
    fn floats(
        &self,
        storages: &HashMap<String, u64>,
        info: &TensorInfo,
    ) -> candle_core::Result<Vec<f32>> {
        if !info.layout.is_contiguous() {
            candle_core::bail!("a tensor that is not contiguous");
        }
        let Some(begin) = storages.get(storage_key(info)) else {
            candle_core::bail!("no storage");
        };
        let mut file = File::open(&self.path)?;
        // candle's reader counts a view's offset in bytes.
        file.seek(SeekFrom::Start(begin + info.layout.start_offset() as u64))?;
        let mut bytes = vec![0; info.layout.shape().elem_count() * DType::F32.size_in_bytes()];
        file.read_exact(&mut bytes)?;
        Ok(bytes.as_chunks().0.iter().map(|&value| f32::from_le_bytes(value)).collect())
    }
}

/// candle's error message without a backtrace.
fn first_line(error: &candle_core::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_string()
}

/// The storage's key: the last part of its path in candle's reader.
fn storage_key(info: &TensorInfo) -> &str {
    info.path.rsplit('/').next().unwrap_or_default()
}

fn unpickled(reader: &mut impl BufRead) -> candle_core::Result<Object> {
    let mut stack = Stack::empty();
    stack.read_loop(reader)?;
    stack.finalize()
}

/// Reads the old format from its first byte.
fn sequential(reader: &mut BufReader<File>) -> candle_core::Result<Format> {
    reader.seek(SeekFrom::Start(MAGIC.len() as u64))?;
    let (_version, _system) = (unpickled(reader)?, unpickled(reader)?);
    let Object::Dict(entries) = unpickled(reader)? else {
        candle_core::bail!("the object is not a dictionary");
    };
    let mut tensors = HashMap::new();
    for (name, value) in entries {
        if let Some(info) = value.into_tensor_info(name, Path::new(""))? {
            tensors.insert(info.name.clone(), info);
        }
    }
    let Object::List(keys) = unpickled(reader)? else {
        candle_core::bail!("the storage keys are not a list");
    };
    let sizes: HashMap<&str, usize> =
        tensors.values().map(|info| (storage_key(info), info.dtype.size_in_bytes())).collect();
    let mut storages = HashMap::new();
    for key in keys {
        let Object::Unicode(key) = key else { candle_core::bail!("a storage key is not text") };
        let mut count = [0; 8];
        reader.read_exact(&mut count)?;
        let begin = reader.stream_position()?;
        let Some(&size) = sizes.get(key.as_str()) else {
            candle_core::bail!("storage `{key}` belongs to no tensor");
        };
        let bytes = i64::from_le_bytes(count).checked_mul(size as i64).filter(|bytes| *bytes >= 0);
        let Some(bytes) = bytes else {
            candle_core::bail!("storage `{key}` has an invalid length")
        };
        reader.seek_relative(bytes)?;
        storages.insert(key, begin);
    }
    if reader.stream_position()? > reader.get_ref().metadata()?.len() {
        candle_core::bail!("the file ends within its weights");
    }
    Ok(Format::Sequential { tensors, storages })
}
