//! The beginning of a recording, as much of it as a style is read from.

use crate::audio_file::{Audio, Reader};
use crate::inference_model::{REFERENCE_SECONDS_MAX, SILENT_SAMPLE};
use crate::{Error, Result};

/// Seconds of a recording that may be silent before its style begins.
const LEAD_SECONDS: f64 = 60.0;

/// Reads until there is enough; `name` is what errors call the recording.
///
/// # Errors
/// As reading the file, or if what was read is silent.
pub fn read(reader: Reader, name: &str) -> Result<Audio> {
    read_seconds(reader, name, REFERENCE_SECONDS_MAX)
}

/// The same until so many seconds have been read since it began to sound.
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
        return Err(Error::file(name, "expected a style that sounds, found silence"));
    }
    Ok(audio)
}
