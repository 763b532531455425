//! Reading: symphonia's demuxers and decoders as one block-wise reader with validation.

use std::fs::File;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use symphonia::core::audio::GenericAudioBufferRef;
use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream};
use symphonia::core::meta::MetadataOptions;

use super::SAMPLE_RATES_HZ;
use crate::{Error, Result};

const FORMATS: &str = "expected a WAV, FLAC, MP3 or OGG Vorbis file";

/// Decodes a file block by block; its memory does not grow with the file.
pub struct Reader {
    path: PathBuf,
    format: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track_id: u32,
    sample_rate_hz: u32,
    declared_frames: Option<u64>,
    /// Whether the declared length is exact (lossless formats) rather than an estimate (MP3 without
    /// a tag).
    exact_length: bool,
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
        Self::start(path, probe(path)?)
    }

    /// As [`Reader::open`] for a file that is embedded in the program; errors use `name` for it.
    pub fn from_bytes(name: impl AsRef<Path>, bytes: &'static [u8]) -> Result<Self> {
        let name = name.as_ref();
        Self::start(name, probe_stream(name, Box::new(Cursor::new(bytes)))?)
    }

    fn start(path: &Path, format: Box<dyn FormatReader>) -> Result<Self> {
        let refuse = || Error::file(path, format!("{FORMATS}, found no decodable audio track"));
        let track = format.default_track(TrackType::Audio).ok_or_else(refuse)?;
        let params = track.codec_params.as_ref().and_then(|p| p.audio()).ok_or_else(refuse)?;
        let options = AudioDecoderOptions::default();
        let decoder = symphonia::default::get_codecs()
            .make_audio_decoder(params, &options)
            .map_err(|_| refuse())?;
        let mut reader = Self {
            path: path.to_path_buf(),
            track_id: track.id,
            sample_rate_hz: 0,
            declared_frames: track.num_frames,
            exact_length: matches!(format.format_info().short_name, "wave" | "flac"),
            decoder,
            format,
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

    /// The declared length in frames. `None` if the file declares none; an estimate in some MP3s.
    pub fn declared_frames(&self) -> Option<u64> {
        self.declared_frames
    }

    /// The next block, one slice per channel, or `None` at the end. Blocks are never empty.
    ///
    /// # Errors
    /// If the data is damaged, the file is shorter than declared, a sample is not finite, or the
    /// format changes.
    pub fn read(&mut self) -> Result<Option<&[Vec<f32>]>> {
        let ready = std::mem::take(&mut self.pending) || self.advance()?;
        Ok(ready.then_some(&self.block))
    }

    /// Decodes the next non-empty packet into `block`. False at the end of the stream.
    fn advance(&mut self) -> Result<bool> {
        loop {
            let packet = match self.format.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) | Err(SymphoniaError::ResetRequired) => return self.end(),
                Err(SymphoniaError::IoError(e))
                    if e.kind() == std::io::ErrorKind::UnexpectedEof =>
                {
                    return self.end();
                }
                Err(e) => return Err(self.damaged(&e)),
            };
            if packet.track_id != self.track_id {
                continue;
            }
            match self.decoder.decode(&packet) {
                Ok(samples) if samples.frames() == 0 => continue,
                Ok(samples) => {
                    let spec = (samples.spec().rate(), samples.num_planes());
                    let planar = planes(&samples);
                    return self.accept(spec, planar);
                }
                Err(e) => return Err(self.damaged(&e)),
            }
        }
    }

    /// Validates a decoded block and stores it.
    fn accept(&mut self, (rate_hz, channels): (u32, usize), block: Vec<Vec<f32>>) -> Result<bool> {
        if self.sample_rate_hz == 0 {
            if !SAMPLE_RATES_HZ.contains(&rate_hz) {
                let (low, high) = (SAMPLE_RATES_HZ.start(), SAMPLE_RATES_HZ.end());
                return Err(self.refuse(format!(
                    "expected a sample rate of {low} to {high} Hz, found {rate_hz} Hz"
                )));
            }
            if !(1..=2).contains(&channels) {
                return Err(
                    self.refuse(format!("expected mono or stereo, found {channels} channels"))
                );
            }
            self.sample_rate_hz = rate_hz;
        } else if (rate_hz, channels) != (self.sample_rate_hz, self.block.len()) {
            return Err(self.refuse(format!(
                "expected one format throughout, found {rate_hz} Hz with {channels} channels at {}",
                self.position()
            )));
        }
        if block.iter().flatten().any(|sample| !sample.is_finite()) {
            return Err(self.refuse(format!(
                "expected finite samples, found NaN or infinity at about {}",
                self.position()
            )));
        }
        self.frames_read += block[0].len() as u64;
        self.block = block;
        Ok(true)
    }

    fn end(&self) -> Result<bool> {
        match self.declared_frames {
            Some(declared) if self.exact_length && self.frames_read < declared => {
                Err(self.refuse(format!(
                    "expected {declared} samples per channel, found {} (the file is cut off)",
                    self.frames_read
                )))
            }
            _ => Ok(false),
        }
    }

    fn position(&self) -> String {
        format!("{:.2} s", self.frames_read as f64 / f64::from(self.sample_rate_hz.max(1)))
    }

    fn refuse(&self, reason: String) -> Error {
        Error::file(&self.path, reason)
    }

    fn damaged(&self, error: &SymphoniaError) -> Error {
        self.refuse(format!(
            "expected readable audio, found damaged data at about {} ({error})",
            self.position()
        ))
    }
}

fn probe(path: &Path) -> Result<Box<dyn FormatReader>> {
    let refuse = |e: std::io::Error| Error::file(path, sentence(&e));
    // Checked before opening, because opening a pipe blocks until a process writes to it.
    let metadata = std::fs::metadata(path).map_err(refuse)?;
    let found = match metadata.is_file() {
        true if metadata.len() > 0 => {
            return probe_stream(path, Box::new(File::open(path).map_err(refuse)?));
        }
        true => "an empty file",
        false if metadata.is_dir() => "a folder",
        false => "a pipe or a device",
    };
    Err(Error::file(path, format!("{FORMATS}, found {found}")))
}

fn probe_stream(path: &Path, source: Box<dyn MediaSource>) -> Result<Box<dyn FormatReader>> {
    let mut hint = Hint::new();
    if let Some(extension) = path.extension().and_then(|e| e.to_str()) {
        hint.with_extension(extension);
    }
    let stream = MediaSourceStream::new(source, Default::default());
    symphonia::default::get_probe()
        .probe(&hint, stream, FormatOptions::default(), MetadataOptions::default())
        .map_err(|_| Error::file(path, format!("{FORMATS}, found another format")))
}

/// An I/O error as text that is the same on all systems where possible.
pub(super) fn sentence(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or folder".into(),
        std::io::ErrorKind::PermissionDenied => "permission denied".into(),
        _ => error.to_string(),
    }
}

fn planes(samples: &GenericAudioBufferRef<'_>) -> Vec<Vec<f32>> {
    let mut planar = Vec::new();
    samples.copy_to_vecs_planar(&mut planar);
    planar
}
