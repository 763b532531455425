//! Names of recorded notes, and checks of their pitch.

use std::ops::RangeInclusive;

use engine::{Error, Result};

use super::pitch;

/// Deviation in semitones above which a recording is another note than its name. Pianos,
/// even old ones, deviate by less.
const MISTUNED: f32 = 0.4;
/// Intervals in semitones that pitch detection may confuse with a note: octaves and partials.
const CONFUSED_INTERVALS: [f32; 6] = [-24.0, -12.0, 0.0, 12.0, 19.02, 24.0];
/// Keys with reliable pitch detection. Lower and higher strings are too inharmonic.
const RELIABLE: RangeInclusive<u8> = 34..=88;
/// Minimum number of notes to detect the octave of an instrument's names.
const MIN_NOTES: usize = 4;
/// MIDI keys.
const KEYS: RangeInclusive<i32> = 0..=127;

/// The detected pitch of a note relative to its name.
#[derive(Clone, Copy, Debug)]
pub struct DetectedPitch {
    /// The nearest of a few octaves and partials, in semitones above the name; 0 for the note
    /// itself.
    pub interval: f32,
    /// Remaining deviation, in semitones.
    pub deviation: f32,
}

impl DetectedPitch {
    /// The pitch of a recording named after a key. `None` if it is not clear, or the key is too low
    /// or too high for the detection.
    pub fn from_recording(key: u8, recording: &[f32], rate_hz: u32) -> Option<Self> {
        if !RELIABLE.contains(&key) {
            return None;
        }
        let off = pitch::key(recording, rate_hz)? - f32::from(key);
        let candidates =
            CONFUSED_INTERVALS.map(|interval| Self { interval, deviation: off - interval });
        candidates.into_iter().min_by(|a, b| a.deviation.abs().total_cmp(&b.deviation.abs()))
    }

    /// Whether it is another note than its name.
    pub fn is_another_note(&self) -> bool {
        self.deviation.abs() > MISTUNED
    }
}

/// Checks that an instrument's notes are in the octave of their names.
///
/// Sample libraries disagree on which C is C4. A wrong octave would train the model to transpose.
///
/// # Errors
/// If there are at least 4 notes, and 75 % of them deviate from their names by the same interval.
pub fn check_octave(instrument: &str, notes: impl Iterator<Item = DetectedPitch>) -> Result<()> {
    let mut intervals: Vec<f32> = notes.map(|note| note.interval).collect();
    intervals.sort_by(f32::total_cmp);
    let Some(&median) = intervals.get(intervals.len() / 2) else { return Ok(()) };
    let agree = intervals.iter().filter(|interval| **interval == median).count();
    if median == 0.0 || intervals.len() < MIN_NOTES || 4 * agree < 3 * intervals.len() {
        return Ok(());
    }
    let found =
        format!("{agree} of {} notes {median:+} semitones from their names", intervals.len());
    Err(Error::invalid(
        instrument,
        "notes at the pitch of their names (C4 is the middle C, 261.6 Hz)",
        found,
    ))
}

/// The MIDI key of a note's name; C4 is 60. `None` if it is not a note name.
pub fn key(name: &str) -> Option<u8> {
    let mut letters = name.chars();
    let step = match letters.next()?.to_ascii_uppercase() {
        'C' => 0,
        'D' => 2,
        'E' => 4,
        'F' => 5,
        'G' => 7,
        'A' => 9,
        'B' => 11,
        _ => return None,
    };
    let rest = letters.as_str();
    let (shift, octave) = match rest.chars().next()? {
        '#' | 's' => (1, &rest[1..]),
        'b' => (-1, &rest[1..]),
        _ => (0, rest),
    };
    let octave = (-1..=9).find(|number| octave == number.to_string())?;
    u8::try_from(12 * (octave + 1) + step + shift)
        .ok()
        .filter(|key| KEYS.contains(&i32::from(*key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn note_names_are_those_of_musicians() {
        let names = ["A4", "C4", "Cs4", "c#4", "Bb3", "C-1", "G9", "Cb4"];
        assert_eq!(names.map(key), [69, 60, 61, 61, 58, 0, 127, 59].map(Some));
        for name in ["", "H4", "A", "F2 v2", "4A", "A10", "A+4", "A04", "Gs9", "Cb-1", "é4"] {
            assert_eq!(key(name), None, "{name}");
        }
    }
}
