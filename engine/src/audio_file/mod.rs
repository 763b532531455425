//! Audio files of any length: [`Reader`] and [`Writer`] process blocks, [`decode`] and [`encode`]
//! whole files.
//!
//! Readable formats: WAV (also RF64, BW64, RIFX and Wave64), AIFF, CAF, FLAC, MP3, AAC and ALAC in
//! M4A, AAC, Ogg Vorbis and Opus, mono or stereo. The content decides, not the name. Encoder delay
//! and padding are removed, so that a file's length is that of its music. Writable formats: WAV
//! (16-bit, 24-bit or float; RF64 beyond 4 GiB) and FLAC (16-bit or 24-bit). A write produces either
//! a complete file or no file.
//!
//! ```
//! use engine::audio_file::{Audio, SampleFormat, decode, encode};
//!
//! let folder = tempfile::tempdir().unwrap();
//! let path = folder.path().join("tone.flac");
//! let tone: Vec<f32> = (0..441).map(|n| 0.5 * (n as f32 * 0.1).sin()).collect();
//! encode(&path, &Audio { sample_rate_hz: 44_100, channels: vec![tone] }, SampleFormat::Int24)?;
//!
//! let audio = decode(&path)?;
//! assert_eq!((audio.frames(), audio.channels.len()), (441, 1));
//! assert_eq!(audio.at_rate(22_050)?.frames(), 221);
//! # Ok::<(), engine::Error>(())
//! ```

mod aiff;
mod block_source;
mod byte_range;
mod caf;
mod chunks;
mod container;
mod edit_list;
mod mpeg;
mod mpeg_frames;
mod packets;
mod pcm;
mod reader;
mod tags;
mod wav_writer;
mod wave;
mod writer;

use std::ops::RangeInclusive;
use std::path::Path;

pub use reader::Reader;
pub use writer::{SampleFormat, Writer};

use crate::Result;
use crate::dsp::resample::resampled;

/// Supported sample rates in Hz.
pub const SAMPLE_RATES_HZ: RangeInclusive<u32> = 8_000..=192_000;

/// Name extensions of readable files, in lower case, for lists of files. [`Reader`] looks at the
/// content alone.
pub const EXTENSIONS: [&str; 18] = [
    "wav", "wave", "bwf", "rf64", "w64", "aif", "aiff", "aifc", "caf", "flac", "mp3", "mp2", "m4a",
    "mp4", "aac", "ogg", "oga", "opus",
];

/// What readable files are, for errors.
const FORMATS: &str = "expected a WAV, AIFF, CAF, FLAC, MP3, M4A, Ogg Vorbis or Opus file";

/// A whole recording in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Audio {
    /// Sample rate in Hz.
    pub sample_rate_hz: u32,
    /// One or two channels of equal length; full scale is 1.
    pub channels: Vec<Vec<f32>>,
}

impl Audio {
    /// Samples per channel.
    pub fn frames(&self) -> usize {
        self.channels.first().map_or(0, Vec::len)
    }

    /// Length in seconds.
    pub fn seconds(&self) -> f64 {
        self.frames() as f64 / f64::from(self.sample_rate_hz)
    }

    /// The mean of the channels.
    pub fn mono(&self) -> Vec<f32> {
        let scale = 1.0 / self.channels.len() as f32;
        (0..self.frames())
            .map(|n| self.channels.iter().map(|c| c[n]).sum::<f32>() * scale)
            .collect()
    }

    /// The recording at another rate, time-aligned.
    ///
    /// # Errors
    /// If a rate is outside 8 to 192 kHz.
    pub fn at_rate(&self, to_hz: u32) -> Result<Self> {
        let resampled = |channel: &Vec<f32>| resampled(channel, self.sample_rate_hz, to_hz);
        let channels = self.channels.iter().map(resampled).collect::<Result<_>>()?;
        Ok(Self { sample_rate_hz: to_hz, channels })
    }
}

/// Reads a whole file.
///
/// # Errors
/// As [`Reader::open`] and [`Reader::read`].
pub fn decode(path: impl AsRef<Path>) -> Result<Audio> {
    let mut reader = Reader::open(path)?;
    let mut channels = vec![Vec::new(); reader.channels()];
    while let Some(block) = reader.read()? {
        channels
            .iter_mut()
            .zip(block)
            .for_each(|(channel, samples)| channel.extend_from_slice(samples));
    }
    Ok(Audio { sample_rate_hz: reader.sample_rate_hz(), channels })
}

/// Writes a whole file. The extension selects the container.
///
/// # Errors
/// As [`Writer::create`], [`Writer::push`] and [`Writer::finish`]. No file is left on an error.
pub fn encode(path: impl AsRef<Path>, audio: &Audio, format: SampleFormat) -> Result<()> {
    let mut writer = Writer::create(path, audio.sample_rate_hz, audio.channels.len(), format)?;
    let channels: Vec<&[f32]> = audio.channels.iter().map(Vec::as_slice).collect();
    writer.push(&channels)?;
    writer.finish()
}

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod tests;
