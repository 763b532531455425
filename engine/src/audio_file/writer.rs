//! Writing: to a temporary sibling that is renamed when it is complete.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use flac_codec::encode::{FlacSampleWriter, Options};
use hound::{SampleFormat as HoundFormat, WavSpec, WavWriter};

use super::reader::sentence;
use crate::whole_file::{part_path, publish};
use crate::{Error, Result};

/// Sample format of a written file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SampleFormat {
    /// 24-bit integers (WAV, FLAC); see `docs/decisions/010-24-bit-integers.md`. Values outside
    /// `[-1, 1)` are clipped and counted.
    #[default]
    Int24,
    /// 32-bit floats (WAV only).
    Float32,
}

/// A RIFF header counts bytes in 32 bits. This limit leaves room for the header.
const WAV_BYTES_MAX: u64 = u32::MAX as u64 - 4096;

enum Sink {
    Wav(WavWriter<BufWriter<File>>),
    Flac(Box<FlacSampleWriter<BufWriter<File>>>),
}

/// Writes a file block by block. If dropped before [`Self::finish`], it leaves no file.
pub struct Writer {
    path: PathBuf,
    part: PathBuf,
    sink: Option<Sink>,
    channels: usize,
    format: SampleFormat,
    frames: u64,
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
        let part = part_path(path);
        let file = File::create(&part).map_err(|e| Error::file(path, unwritable(&sentence(&e))))?;
        let mut writer = Self {
            path: path.to_path_buf(),
            part,
            sink: None,
            channels,
            format,
            frames: 0,
            clipped_samples: 0,
        };
        writer.sink = Some(match kind {
            Container::Flac => Sink::Flac(Box::new(
                flac_writer(BufWriter::new(file), sample_rate_hz, channels)
                    .map_err(|e| writer.fail(e))?,
            )),
            Container::Wav => {
                let spec = wav_spec(sample_rate_hz, channels, format);
                Sink::Wav(WavWriter::new(BufWriter::new(file), spec).map_err(|e| writer.fail(e))?)
            }
        });
        Ok(writer)
    }

    /// Appends a block, one slice of equal length per channel.
    ///
    /// # Errors
    /// If the disk is full, the WAV limit is exceeded, or a sample is not finite.
    pub fn push(&mut self, block: &[&[f32]]) -> Result<()> {
        let frames = block.first().map_or(0, |channel| channel.len());
        if block.len() != self.channels || block.iter().any(|channel| channel.len() != frames) {
            return Err(self.fail(format!("expected {} channels of equal length", self.channels)));
        }
        if let Some(bad) = block.iter().copied().flatten().find(|sample| !sample.is_finite()) {
            return Err(self.fail(format!("expected finite samples to write, found {bad}")));
        }
        self.frames += frames as u64;
        if matches!(self.sink, Some(Sink::Wav(_)))
            && self.frames * self.frame_bytes() > WAV_BYTES_MAX
        {
            return Err(self.fail("a WAV file is limited to 4 GiB; write a .flac file instead"));
        }
        let mut interleaved = (0..frames).flat_map(|n| block.iter().map(move |channel| channel[n]));
        let clipped = &mut self.clipped_samples;
        let result = match (&mut self.sink, self.format) {
            (Some(Sink::Wav(wav)), SampleFormat::Float32) => {
                interleaved.try_for_each(|x| wav.write_sample(x)).map_err(|e| e.to_string())
            }
            (Some(Sink::Wav(wav)), SampleFormat::Int24) => interleaved
                .try_for_each(|x| wav.write_sample(to_int24(x, clipped)))
                .map_err(|e| e.to_string()),
            (Some(Sink::Flac(flac)), _) => {
                let samples: Vec<i32> = interleaved.map(|x| to_int24(x, clipped)).collect();
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
            Some(Sink::Wav(wav)) => wav.finalize().map_err(|e| e.to_string()),
            // Seeking to the stream header flushes all frames. The header is written in place.
            Some(Sink::Flac(flac)) => flac.finalize().map_err(|e| e.to_string()),
            None => Err("the file is already finished".into()),
        };
        result.map_err(|reason| self.fail(reason))?;
        publish(&self.part, &self.path).map_err(|e| self.fail(sentence(&e)))
    }

    /// Number of integer samples that were clipped so far.
    pub fn clipped_samples(&self) -> u64 {
        self.clipped_samples
    }

    fn frame_bytes(&self) -> u64 {
        let sample_bytes = if self.format == SampleFormat::Float32 { 4 } else { 3 };
        sample_bytes * self.channels as u64
    }

    fn fail(&self, reason: impl ToString) -> Error {
        Error::file(&self.path, unwritable(&reason.to_string()))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.sink = None;
        // Already renamed after a success. Otherwise there is no way to report a failed removal.
        let _ = std::fs::remove_file(&self.part);
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
        ("flac", SampleFormat::Int24) => Ok(Container::Flac),
        ("flac", SampleFormat::Float32) => {
            Err(Error::file(path, "FLAC cannot store float samples; write a .wav file instead"))
        }
        _ => Err(Error::file(path, "expected a file name that ends in .wav or .flac")),
    }
}

fn unwritable(reason: &str) -> String {
    format!("cannot be written: {reason}")
}

/// Bits of a FLAC sample.
const FLAC_BITS: u32 = 24;

/// A FLAC writer whose number of samples is set at the end.
fn flac_writer(
    file: BufWriter<File>,
    sample_rate_hz: u32,
    channels: usize,
) -> std::result::Result<FlacSampleWriter<BufWriter<File>>, flac_codec::Error> {
    // Padding is only useful for editors of tags.
    let options = Options::default().no_padding().no_seektable();
    FlacSampleWriter::new(file, options, sample_rate_hz, FLAC_BITS, channels as u8, None)
}

fn wav_spec(sample_rate_hz: u32, channels: usize, format: SampleFormat) -> WavSpec {
    let (bits_per_sample, sample_format) = match format {
        SampleFormat::Int24 => (24, HoundFormat::Int),
        SampleFormat::Float32 => (32, HoundFormat::Float),
    };
    WavSpec {
        channels: channels as u16,
        sample_rate: sample_rate_hz,
        bits_per_sample,
        sample_format,
    }
}

/// Scales full scale to 2^23, the decoders' convention, so that 24-bit audio is preserved exactly.
fn to_int24(sample: f32, clipped: &mut u64) -> i32 {
    const SCALE: f32 = 8_388_608.0;
    let scaled = (sample * SCALE).round();
    *clipped += u64::from(!(-SCALE..SCALE).contains(&scaled));
    scaled.clamp(-SCALE, SCALE - 1.0) as i32
}
