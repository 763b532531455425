//! What a recorded note is called, and whether it sounds so.

use std::ops::RangeInclusive;

use engine::{Error, Result};

use super::pitch;

/// So many semitones beside its name a note is another note; a piano's tuning and an old one's stay
/// below.
const MISTUNED: f32 = 0.4;
/// What the measure may take a note for, semitones: octaves below it, itself, and its partials.
const HEARD_AS: [f32; 6] = [-24.0, -12.0, 0.0, 12.0, 19.02, 24.0];
/// Keys whose pitch is judged: the partials of lower and higher strings are not where its periods
/// say.
const JUDGED: RangeInclusive<u8> = 34..=88;
/// Fewer notes do not tell in which octave an instrument's names are.
const FEWEST: usize = 4;
/// MIDI keys.
const KEYS: RangeInclusive<i32> = 0..=127;

/// A note's pitch against its name.
#[derive(Clone, Copy, Debug)]
pub struct DetectedPitch {
    /// What the measure takes the note for, semitones above its name: one of a few octaves and
    /// partials, 0 for itself.
    pub interval: f32,
    /// Semitones that are left.
    pub beside: f32,
}

impl DetectedPitch {
    /// The pitch of a recording that is called by a key; none where it is not clear or the key is
    /// so low or high that it says nothing.
    pub fn from_recording(key: u8, recording: &[f32], rate_hz: u32) -> Option<Self> {
        if !JUDGED.contains(&key) {
            return None;
        }
        let off = pitch::key(recording, rate_hz)? - f32::from(key);
        let heard = HEARD_AS.map(|interval| Self { interval, beside: off - interval });
        heard.into_iter().min_by(|a, b| a.beside.abs().total_cmp(&b.beside.abs()))
    }

    /// Whether it is not the note that it is called.
    pub fn is_another_note(&self) -> bool {
        self.beside.abs() > MISTUNED
    }
}

/// Refuses an instrument whose notes sound in another octave than they are called: libraries
/// disagree on which C is C4, and it would teach that a transfer moves by octaves.
///
/// # Errors
/// If there are four notes or more, and three in four of them are one interval away from their
/// names.
pub fn check_octave(instrument: &str, notes: impl Iterator<Item = DetectedPitch>) -> Result<()> {
    let mut heard: Vec<f32> = notes.map(|note| note.interval).collect();
    heard.sort_by(f32::total_cmp);
    let Some(&most) = heard.get(heard.len() / 2) else { return Ok(()) };
    let agree = heard.iter().filter(|interval| **interval == most).count();
    if most == 0.0 || heard.len() < FEWEST || 4 * agree < 3 * heard.len() {
        return Ok(());
    }
    let found = format!("{agree} of {} notes {most:+} semitones from their names", heard.len());
    Err(Error::invalid(
        instrument,
        "notes that sound as they are called (C4 is the middle C, 261.6 Hz)",
        found,
    ))
}

/// The key of a note's name; C4 is 60.
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
    fn notes_are_called_as_musicians_call_them() {
        let names = ["A4", "C4", "Cs4", "c#4", "Bb3", "C-1", "G9", "Cb4"];
        assert_eq!(names.map(key), [69, 60, 61, 61, 58, 0, 127, 59].map(Some));
        for name in ["", "H4", "A", "F2 v2", "4A", "A10", "A+4", "A04", "Gs9", "Cb-1", "é4"] {
            assert_eq!(key(name), None, "{name}");
        }
    }
}
