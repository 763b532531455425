//! Writing: to a temporary sibling that is renamed when it is complete.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use flac_codec::encode::{FlacSampleWriter, Options};

use super::reader::sentence;
use super::wav_writer::WavWriter;
use crate::whole_file::PartFile;
use crate::{Error, Result};

/// Sample format of a written file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SampleFormat {
    /// 24-bit integers (WAV, FLAC); see `docs/decisions/010-24-bit-integers.md`. Values outside
    /// `[-1, 1)` are clipped and counted.
    #[default]
    Int24,
    /// 16-bit integers (WAV, FLAC), rounded without dither, so that silence stays silent.
    Int16,
    /// 32-bit floats (WAV only).
    Float32,
}

impl SampleFormat {
    /// Bytes of a sample.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::Int16 => 2,
            Self::Int24 => 3,
            Self::Float32 => 4,
        }
    }
}

enum Sink {
    Wav(WavWriter),
    Flac(Box<FlacSampleWriter<BufWriter<File>>>),
}

/// Writes a file block by block. If dropped before [`Self::finish`], it leaves no file.
pub struct Writer {
    path: PathBuf,
    part: Option<PartFile>,
    sink: Option<Sink>,
    channels: usize,
    format: SampleFormat,
    clipped_samples: u64,
}

impl Writer {
    /// Creates a `.wav` or `.flac` file with one or two channels.
    ///
    /// # Errors
    /// If the extension is another one, the container does not support `format`, or the path cannot
    /// be
    /// written.
    pub fn create(
        path: impl AsRef<Path>,
        sample_rate_hz: u32,
        channels: usize,
        format: SampleFormat,
    ) -> Result<Self> {
        let path = path.as_ref();
        if !(1..=2).contains(&channels) {
            return Err(Error::file(
                path,
                format!("expected one or two channels to write, found {channels}"),
            ));
        }
        let kind = container(path, format)?;
        if path.is_dir() {
            return Err(Error::file(path, "expected a file to write, found a folder"));
        }
        let (part, file) =
            PartFile::create(path).map_err(|e| Error::file(path, unwritable(&sentence(&e))))?;
        let mut writer = Self {
            path: path.to_path_buf(),
            part: Some(part),
            sink: None,
            channels,
            format,
            clipped_samples: 0,
        };
        writer.sink = Some(match kind {
            Container::Flac => Sink::Flac(Box::new(
                flac_writer(BufWriter::new(file), sample_rate_hz, channels, format)
                    .map_err(|e| writer.fail(e))?,
            )),
            Container::Wav => Sink::Wav(
                WavWriter::new(file, sample_rate_hz, channels, format)
                    .map_err(|e| writer.fail(sentence(&e)))?,
            ),
        });
        Ok(writer)
    }

    /// Appends a block, one slice of equal length per channel.
    ///
    /// # Errors
    /// If the disk is full, or a sample is not finite.
    pub fn push(&mut self, block: &[&[f32]]) -> Result<()> {
        let frames = block.first().map_or(0, |channel| channel.len());
        if block.len() != self.channels || block.iter().any(|channel| channel.len() != frames) {
            return Err(self.fail(format!("expected {} channels of equal length", self.channels)));
        }
        if let Some(bad) = block.iter().copied().flatten().find(|sample| !sample.is_finite()) {
            return Err(self.fail(format!("expected finite samples to write, found {bad}")));
        }
        let mut interleaved = (0..frames).flat_map(|n| block.iter().map(move |channel| channel[n]));
        let (clipped, bits) = (&mut self.clipped_samples, 8 * self.format.bytes() as u32);
        let result = match (&mut self.sink, self.format) {
            (Some(Sink::Wav(wav)), SampleFormat::Float32) => {
                interleaved.try_for_each(|x| wav.float(x)).map_err(|e| sentence(&e))
            }
            (Some(Sink::Wav(wav)), _) => interleaved
                .try_for_each(|x| wav.integer(to_integer(x, bits, clipped)))
                .map_err(|e| sentence(&e)),
            (Some(Sink::Flac(flac)), _) => {
                let samples: Vec<i32> = interleaved.map(|x| to_integer(x, bits, clipped)).collect();
                flac.write(&samples).map_err(|e| e.to_string())
            }
            (None, _) => Err("the file is already finished".into()),
        };
        result.map_err(|reason| self.fail(reason))
    }

    /// Completes the file and renames it to its final name.
    ///
    /// # Errors
    /// If the disk is full, or the rename fails.
    pub fn finish(mut self) -> Result<()> {
        let result = match self.sink.take() {
            Some(Sink::Wav(wav)) => wav.finish().map_err(|e| sentence(&e)),
            // Seeking to the stream header flushes all frames. The header is written in place.
            Some(Sink::Flac(flac)) => flac.finalize().map_err(|e| e.to_string()),
            None => Err("the file is already finished".into()),
        };
        result.map_err(|reason| self.fail(reason))?;
        let part = self.part.take().ok_or_else(|| self.fail("the file is already finished"))?;
        part.publish().map_err(|e| self.fail(sentence(&e)))
    }

    /// Number of integer samples that were clipped so far.
    pub fn clipped_samples(&self) -> u64 {
        self.clipped_samples
    }

    fn fail(&self, reason: impl ToString) -> Error {
        Error::file(&self.path, unwritable(&reason.to_string()))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // The file is closed before the part is removed. Windows requires this.
        self.sink = None;
    }
}

enum Container {
    Wav,
    Flac,
}

fn container(path: &Path, format: SampleFormat) -> Result<Container> {
    let extension =
        path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    match (extension.as_str(), format) {
        ("wav", _) => Ok(Container::Wav),
        ("flac", SampleFormat::Int16 | SampleFormat::Int24) => Ok(Container::Flac),
        ("flac", SampleFormat::Float32) => {
            Err(Error::file(path, "FLAC cannot store float samples; write a .wav file instead"))
        }
        _ => Err(Error::file(path, "expected a file name that ends in .wav or .flac")),
    }
}

fn unwritable(reason: &str) -> String {
    format!("cannot be written: {reason}")
}

/// A FLAC writer whose number of samples is set at the end.
fn flac_writer(
    file: BufWriter<File>,
    sample_rate_hz: u32,
    channels: usize,
    format: SampleFormat,
) -> std::result::Result<FlacSampleWriter<BufWriter<File>>, flac_codec::Error> {
    // Padding is only useful for editors of tags.
    let options = Options::default().no_padding().no_seektable();
    let bits = 8 * format.bytes() as u32;
    FlacSampleWriter::new(file, options, sample_rate_hz, bits, channels as u8, None)
}

/// Scales full scale to `2^(bits - 1)`, the decoders' convention, so that audio of this size is
/// preserved exactly.
fn to_integer(sample: f32, bits: u32, clipped: &mut u64) -> i32 {
    let scale = (1_u32 << (bits - 1)) as f32;
    let scaled = (sample * scale).round();
    *clipped += u64::from(!(-scale..scale).contains(&scaled));
    scaled.clamp(-scale, scale - 1.0) as i32
}
