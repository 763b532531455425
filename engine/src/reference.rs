//! The part of a recording that a style is computed from, chosen by its content.
//!
//! ```
//! use engine::audio_file::{Audio, Reader, SampleFormat, encode};
//!
//! let folder = tempfile::tempdir().unwrap();
//! let path = folder.path().join("note.wav");
//! let note = (0..22_050).map(|n| 0.1 * (0.05 * n as f32).sin()).collect();
//! encode(&path, &Audio { sample_rate_hz: 22_050, channels: vec![note] }, SampleFormat::Int24)?;
//!
//! let reference = engine::reference::read(|| Reader::open(&path), "note.wav")?;
//! assert!(reference.is_beginning && reference.audio.seconds() > 0.99);
//! # Ok::<(), engine::Error>(())
//! ```

mod block;
mod choice;
mod excerpt;
mod outline;
mod overview;
mod survey;

use std::ops::Range;

use crate::audio_file::{Audio, Reader};
use crate::{Error, Result};

pub(crate) use block::{Block, BlockMeter, QUIETEST_DB};
use excerpt::Excerpt;
pub use outline::Outline;
use survey::{Survey, Unsuitable};

/// Longest part of a recording, in seconds, that a style is computed from.
pub const SECONDS_MAX: f64 = 12.0;

/// The windows of a recording from which a style is computed.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    /// At most [`SECONDS_MAX`] of audio: one or several parts of the recording in order. A recording
    /// below -40 dBFS is amplified.
    pub audio: Audio,
    /// The parts of the recording, in seconds.
    pub ranges: Vec<Range<f64>>,
    /// Whether it is one part from the first audible sample.
    pub is_beginning: bool,
    /// The waveform of the whole recording.
    pub outline: Outline,
    /// Duration of the whole recording.
    pub recording_seconds: f64,
    /// [`Reader::warnings`] of the whole recording. Empty for audio in memory.
    pub warnings: Vec<String>,
}

impl Reference {
    /// Chooses the windows of a recording in memory.
    ///
    /// # Errors
    /// If the recording is silent or only noise.
    pub fn from_audio(audio: &Audio) -> Result<Self> {
        let mut survey = Survey::new(audio.sample_rate_hz, audio.channels.len());
        survey.push(&audio.channels);
        let refuse =
            |found: Unsuitable| Error::invalid("style reference", found.expected(), found.name());
        let choice = survey.choice(None).map_err(refuse)?;
        let mut excerpt = Excerpt::new(audio.sample_rate_hz, audio.channels.len(), choice);
        excerpt.push(&audio.channels);
        Ok(excerpt.into_reference(survey.outline(), survey.seconds()))
    }

    /// The parts as text, for example "20.1 to 32.0 s".
    pub fn ranges_text(&self) -> String {
        let text = |range: &Range<f64>| format!("{:.1} to {:.1}", range.start, range.end);
        format!("{} s", self.ranges.iter().map(text).collect::<Vec<_>>().join(", "))
    }
}

/// Chooses the windows of a recording, which is opened twice. The memory does not grow with the
/// length of the recording. Errors use `name` for it.
///
/// # Errors
/// If the file cannot be read, or the audio is silent or only noise.
pub fn read(open: impl Fn() -> Result<Reader>, name: &str) -> Result<Reference> {
    read_part(open, name, None)
}

/// As [`read`], with consecutive windows from a time in seconds. If it is too late for one window,
/// the last window is used.
///
/// # Errors
/// As [`read`].
pub fn read_from(
    open: impl Fn() -> Result<Reader>,
    name: &str,
    start_seconds: f64,
) -> Result<Reference> {
    read_part(open, name, Some(start_seconds))
}

fn read_part(
    open: impl Fn() -> Result<Reader>,
    name: &str,
    start_seconds: Option<f64>,
) -> Result<Reference> {
    let mut reader = open()?;
    let mut survey = Survey::new(reader.sample_rate_hz(), reader.channels());
    while let Some(block) = reader.read()? {
        survey.push(block);
    }
    let refuse = |found: Unsuitable| {
        Error::file(name, format!("expected {}, found {}", found.expected(), found.name()))
    };
    let choice = survey.choice(start_seconds).map_err(refuse)?;
    let warnings = reader.warnings();
    let mut reader = open()?;
    let mut excerpt = Excerpt::new(reader.sample_rate_hz(), reader.channels(), choice);
    while !excerpt.is_complete()
        && let Some(block) = reader.read()?
    {
        excerpt.push(block);
    }
    Ok(Reference { warnings, ..excerpt.into_reference(survey.outline(), survey.seconds()) })
}

#[cfg(test)]
mod tests;
