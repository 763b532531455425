//! Reading: the decoders of all containers as one block-wise reader with validation.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use symphonia::core::io::MediaSource;

use super::block_source::{Block, BlockSource, require_mono_or_stereo};
use super::{FORMATS, SAMPLE_RATES_HZ, container};
use crate::{Error, Result};

/// Decodes a file block by block; its memory does not grow with the file.
pub struct Reader {
    path: PathBuf,
    source: Box<dyn BlockSource>,
    sample_rate_hz: u32,
    frames_read: u64,
    block: Vec<Vec<f32>>,
    /// Whether `block` holds decoded samples that [`Self::read`] has not returned yet.
    pending: bool,
}

impl Reader {
    /// Opens a file and decodes its first block, which determines sample rate and channel count.
    ///
    /// # Errors
    /// If the file is missing, has an unsupported format, an empty stream, a sample rate outside
    /// [`SAMPLE_RATES_HZ`] or more than two channels.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::start(path, file(path)?)
    }

    /// As [`Reader::open`] for a file that is embedded in the program; errors use `name` for it.
    pub fn from_bytes(name: impl AsRef<Path>, bytes: &'static [u8]) -> Result<Self> {
        Self::from_source(name, Cursor::new(bytes))
    }

    /// As [`Reader::open`] for any source; errors use `name` for it.
    ///
    /// # Errors
    /// As [`Reader::open`], and if the source fails.
    pub fn from_source(
        name: impl AsRef<Path>,
        source: impl Read + Seek + Send + Sync + 'static,
    ) -> Result<Self> {
        Self::start(name.as_ref(), Box::new(Seekable(source)))
    }

    fn start(path: &Path, bytes: Box<dyn MediaSource>) -> Result<Self> {
        let source = container::open(bytes).map_err(|reason| Error::file(path, reason))?;
        let mut reader = Self {
            path: path.to_path_buf(),
            source,
            sample_rate_hz: 0,
            frames_read: 0,
            block: Vec::new(),
            pending: false,
        };
        reader.pending = reader.advance()?;
        if !reader.pending {
            return Err(Error::file(path, "expected audio, found a file without samples"));
        }
        Ok(reader)
    }

    /// Sample rate in Hz.
    pub fn sample_rate_hz(&self) -> u32 {
        self.sample_rate_hz
    }

    /// Number of channels, 1 or 2.
    pub fn channels(&self) -> usize {
        self.block.len()
    }

    /// The declared length in frames. `None` if the file declares none. The file may hold more or
    /// less: see [`Self::warnings`].
    pub fn declared_frames(&self) -> Option<u64> {
        self.source.frames()
    }

    /// Faults of the part of the file that was read so far, for example a header with another length
    /// or skipped damaged bytes. Its sound was read. The list is complete at the end of the file.
    pub fn warnings(&self) -> Vec<String> {
        let sentence = |text: &String| format!("{}: {text}", self.path.display());
        self.source.warnings().iter().map(sentence).collect()
    }

    /// The next block, one slice per channel, or `None` at the end. Blocks are never empty.
    ///
    /// # Errors
    /// If the data is damaged, a sample is not finite, or the format changes.
    pub fn read(&mut self) -> Result<Option<&[Vec<f32>]>> {
        let ready = std::mem::take(&mut self.pending) || self.advance()?;
        Ok(ready.then_some(&self.block))
    }

    /// Decodes the next non-empty block into `block`. False at the end of the stream.
    fn advance(&mut self) -> Result<bool> {
        loop {
            match self.source.next_block() {
                Ok(Some(block)) if block.frames() == 0 => {}
                Ok(Some(block)) => return self.accept(block).map(|()| true),
                Ok(None) => return Ok(false),
                Err(error) => {
                    return Err(self.refuse(format!(
                        "expected readable audio, found damaged data at about {} ({error})",
                        self.position()
                    )));
                }
            }
        }
    }

    /// Validates a decoded block and stores it.
    fn accept(&mut self, block: Block) -> Result<()> {
        let (rate_hz, channels) = (block.sample_rate_hz, block.channels.len());
        if self.sample_rate_hz == 0 {
            if !SAMPLE_RATES_HZ.contains(&rate_hz) {
                let (low, high) = (SAMPLE_RATES_HZ.start(), SAMPLE_RATES_HZ.end());
                return Err(self.refuse(format!(
                    "expected a sample rate of {low} to {high} Hz, found {rate_hz} Hz"
                )));
            }
            require_mono_or_stereo(channels).map_err(|reason| self.refuse(reason))?;
            self.sample_rate_hz = rate_hz;
        } else if (rate_hz, channels) != (self.sample_rate_hz, self.block.len()) {
            return Err(self.refuse(format!(
                "expected one format throughout, found {rate_hz} Hz with {channels} channels at {}",
                self.position()
            )));
        }
        if block.channels.iter().flatten().any(|sample| !sample.is_finite()) {
            return Err(self.refuse(format!(
                "expected finite samples, found NaN or infinity at about {}",
                self.position()
            )));
        }
        self.frames_read += block.frames() as u64;
        self.block = block.channels;
        Ok(())
    }

    fn position(&self) -> String {
        format!("{:.2} s", self.frames_read as f64 / f64::from(self.sample_rate_hz.max(1)))
    }

    fn refuse(&self, reason: String) -> Error {
        Error::file(&self.path, reason)
    }
}

/// A source of bytes as symphonia's type.
struct Seekable<S>(S);

impl<S: Read> Read for Seekable<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<S: Seek> Seek for Seekable<S> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

impl<S: Read + Seek + Send + Sync> MediaSource for Seekable<S> {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        None
    }
}

fn file(path: &Path) -> Result<Box<dyn MediaSource>> {
    let refuse = |e: std::io::Error| Error::file(path, sentence(&e));
    // Checked before opening, because opening a pipe blocks until a process writes to it.
    let metadata = std::fs::metadata(path).map_err(refuse)?;
    let found = match metadata.is_file() {
        true if metadata.len() > 0 => return Ok(Box::new(File::open(path).map_err(refuse)?)),
        true => "an empty file",
        false if metadata.is_dir() => "a folder",
        false => "a pipe or a device",
    };
    Err(Error::file(path, format!("{FORMATS}, found {found}")))
}

/// An I/O error as text that is the same on all systems where possible.
pub(super) fn sentence(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or folder".into(),
        std::io::ErrorKind::PermissionDenied => "permission denied".into(),
        _ => error.to_string(),
    }
}
