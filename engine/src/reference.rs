//! Reads the beginning of a recording, as much as a style is computed from.
//!
//! ```
//! use engine::audio_file::{Audio, Reader, SampleFormat, encode};
//!
//! let folder = tempfile::tempdir().unwrap();
//! let path = folder.path().join("note.wav");
//! let note = (0..22_050).map(|n| 0.1 * (0.05 * n as f32).sin()).collect();
//! encode(&path, &Audio { sample_rate_hz: 22_050, channels: vec![note] }, SampleFormat::Int24)?;
//!
//! let reference = engine::reference::read(Reader::open(&path)?, "note.wav")?;
//! assert_eq!(reference.seconds(), 1.0);
//! # Ok::<(), engine::Error>(())
//! ```

use crate::audio_file::{Audio, Reader};
use crate::inference_model::{REFERENCE_SECONDS_MAX, SILENT_SAMPLE};
use crate::{Error, Result};

/// Longest silence in seconds before the first audible sample.
const LEAD_SECONDS: f64 = 60.0;

/// Reads until there is enough audio for a style. Errors use `name` for the recording.
///
/// # Errors
/// If the file cannot be read, or the audio is silent.
pub fn read(reader: Reader, name: &str) -> Result<Audio> {
    read_seconds(reader, name, REFERENCE_SECONDS_MAX)
}

/// As [`read`], until `seconds` of audio follow the first audible sample.
///
/// # Errors
/// As [`read`].
pub fn read_seconds(mut reader: Reader, name: &str, seconds: f64) -> Result<Audio> {
    let sample_rate_hz = reader.sample_rate_hz();
    let mut audio = Audio { sample_rate_hz, channels: vec![Vec::new(); reader.channels()] };
    let mut sounding_from = None;
    while let Some(block) = reader.read()? {
        if sounding_from.is_none() && block.iter().flatten().any(|x| x.abs() > SILENT_SAMPLE) {
            sounding_from = Some(audio.seconds());
        }
        for (channel, samples) in audio.channels.iter_mut().zip(block) {
            channel.extend_from_slice(samples);
        }
        let enough = sounding_from.map_or(LEAD_SECONDS, |start| start + seconds + 1.0);
        if audio.seconds() > enough {
            break;
        }
    }
    if sounding_from.is_none() {
        return Err(Error::file(name, "expected an audible recording, found silence"));
    }
    Ok(audio)
}
