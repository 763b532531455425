//! From posteriors to notes, like `basic_pitch.note_creation` (version 0.4.0).
//!
//! From every peak of the onsets, the latest first, a key is followed until it is quiet for several
//! frames. The energy of the note is removed, including one semitone on each side. Then the
//! *melodia trick* (after Salamon and Gómez 2012) follows the remaining energy in both directions,
//! from its loudest point.

use super::Note;
use super::posteriors::{
    FRAME_SAMPLES, KEYS, LOWEST_KEY, Posteriors, RATE_HZ, WINDOW_FRAMES, WINDOW_SAMPLES,
};
use crate::data::score::{self, Score};

/// A note ends after this many quiet frames.
const QUIET_FRAMES: usize = 11;
/// Frames over which an increase of the note posterior counts as an onset.
const RISE_FRAMES: usize = 2;
/// Correction of the drift of each window in seconds, a constant of the package.
const DRIFT_S: f64 = 0.0018;

/// Parameters of the note detection. The defaults are the package's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoteCreation {
    /// Minimum onset posterior of an onset peak, 0 to 1.
    pub onset_threshold: f64,
    /// Note posterior below which a key is quiet, 0 to 1.
    pub frame_threshold: f64,
    /// Notes of this many frames or fewer are discarded.
    pub min_frames: usize,
    /// Whether a steep increase of the note posterior is an onset too.
    pub infer_onsets: bool,
    /// Whether notes without an onset are detected.
    pub melodia_trick: bool,
}

impl Default for NoteCreation {
    fn default() -> Self {
        // 11 frames correspond to the 127.7 ms of the package's `minimum_note_length`.
        Self {
            onset_threshold: 0.5,
            frame_threshold: 0.3,
            min_frames: 11,
            infer_onsets: true,
            melodia_trick: true,
        }
    }
}

/// A note in frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameNote {
    /// First frame.
    pub start: usize,
    /// Frame after the last.
    pub end: usize,
    /// MIDI key.
    pub key: u8,
}

impl NoteCreation {
    /// The notes in seconds, in no particular order.
    pub fn notes(&self, posteriors: &Posteriors) -> Vec<Note> {
        let seconds = |n: FrameNote| Note {
            onset_s: frame_time_s(n.start),
            offset_s: frame_time_s(n.end),
            pitch: f64::from(n.key),
        };
        self.frame_notes(posteriors).into_iter().map(seconds).collect()
    }

    /// The notes like in the package's MIDI files (velocity is 127 times the amplitude), as a score
    /// of `length_s`.
    pub fn score(&self, posteriors: &Posteriors, length_s: f32) -> Score {
        let played = |n: FrameNote| {
            let (onset_s, end_s) = (frame_time_s(n.start), frame_time_s(n.end));
            let amplitude = posteriors.amplitude(n.start..n.end, n.key);
            score::Note {
                onset_s: onset_s as f32,
                duration_s: (end_s - onset_s) as f32,
                key: n.key,
                velocity: (127.0 * amplitude).round() as u8,
            }
        };
        Score::new(self.frame_notes(posteriors).into_iter().map(played).collect(), length_s)
    }

    /// The notes in frames: those with an onset, the latest first, then those of the melodia trick,
    /// the loudest first.
    pub fn frame_notes(&self, posteriors: &Posteriors) -> Vec<FrameNote> {
        let frames = posteriors.frames();
        if frames < 3 {
            return Vec::new();
        }
        let onsets = if self.infer_onsets {
            with_rises(posteriors)
        } else {
            posteriors.onsets.iter().map(|&v| f64::from(v)).collect()
        };
        let mut remaining = Remaining {
            frames,
            threshold: self.frame_threshold,
            energy: posteriors.notes.iter().map(|&v| f64::from(v)).collect(),
        };
        let mut notes = Vec::new();
        for start in (1..frames - 1).rev() {
            for key in (0..KEYS).rev() {
                let value = |frame: usize| onsets[frame * KEYS + key];
                let here = value(start);
                let peak = here > value(start - 1) && here > value(start + 1);
                if peak
                    && here >= self.onset_threshold
                    && let Some(note) = self.long_enough(start, remaining.end(start, key), key)
                {
                    (note.start..note.end).for_each(|frame| remaining.remove(frame, key));
                    notes.push(note);
                }
            }
        }
        if self.melodia_trick {
            while let Some((frame, key)) = remaining.loudest() {
                let (start, end) = remaining.follow(frame, key);
                notes.extend(self.long_enough(start, end, key));
            }
        }
        notes
    }

    /// The note, or `None` if it is too short.
    fn long_enough(&self, start: usize, end: usize, key: usize) -> Option<FrameNote> {
        (end > start + self.min_frames).then(|| FrameNote { start, end, key: midi(key) })
    }
}

fn midi(key: usize) -> u8 {
    LOWEST_KEY + key as u8
}

/// Time of a frame, with the package's correction of the windows' drift.
pub fn frame_time_s(frame: usize) -> f64 {
    let frame_s = FRAME_SAMPLES as f64 / f64::from(RATE_HZ);
    let surplus_frames = WINDOW_FRAMES as f64 - WINDOW_SAMPLES as f64 / FRAME_SAMPLES as f64;
    frame as f64 * frame_s - (frame_s * surplus_frames + DRIFT_S) * (frame / WINDOW_FRAMES) as f64
}

/// The maximum of onset posteriors and increases of the note posteriors. The increases are scaled
/// to the maximum of the onset posteriors.
fn with_rises(posteriors: &Posteriors) -> Vec<f64> {
    let note = |frame: usize, key: usize| f64::from(posteriors.notes[frame * KEYS + key]);
    let mut rises = vec![0.0; posteriors.notes.len()];
    for frame in RISE_FRAMES..posteriors.frames() {
        for key in 0..KEYS {
            let rise = |before: usize| note(frame, key) - note(frame - before, key);
            let smallest = (1..=RISE_FRAMES).map(rise).fold(f64::INFINITY, f64::min);
            rises[frame * KEYS + key] = smallest.max(0.0);
        }
    }
    let largest_onset = posteriors.onsets.iter().fold(0.0, |a, &b| f64::max(a, f64::from(b)));
    let largest_rise = rises.iter().copied().fold(0.0, f64::max);
    let scaled =
        |rise: f64| if largest_rise > 0.0 { largest_onset * rise / largest_rise } else { 0.0 };
    posteriors
        .onsets
        .iter()
        .zip(rises)
        .map(|(&onset, rise)| f64::from(onset).max(scaled(rise)))
        .collect()
}

/// The energy that is not part of a note yet.
struct Remaining {
    frames: usize,
    /// Keys with less energy are quiet.
    threshold: f64,
    energy: Vec<f64>,
}

impl Remaining {
    /// The frame after the last one that is not quiet, from an onset.
    fn end(&self, start: usize, key: usize) -> usize {
        let (mut frame, mut quiet) = (start + 1, 0);
        while frame < self.frames - 1 && quiet < QUIET_FRAMES {
            quiet = if self.is_quiet(frame, key) { quiet + 1 } else { 0 };
            frame += 1;
        }
        frame - quiet
    }

    fn is_quiet(&self, frame: usize, key: usize) -> bool {
        self.energy[frame * KEYS + key] < self.threshold
    }

    /// Removes the energy of a key and its neighbours from one frame.
    fn remove(&mut self, frame: usize, key: usize) {
        for taken in key.saturating_sub(1)..=(key + 1).min(KEYS - 1) {
            self.energy[frame * KEYS + taken] = 0.0;
        }
    }

    /// The first maximum, if it is above the threshold.
    fn loudest(&self) -> Option<(usize, usize)> {
        let louder = |a: (usize, f64), b: (usize, &f64)| if *b.1 > a.1 { (b.0, *b.1) } else { a };
        let (index, energy) = self.energy.iter().enumerate().fold((0, 0.0), louder);
        (energy > self.threshold).then_some((index / KEYS, index % KEYS))
    }

    /// Removes the energy that is connected to a point, and returns the start and the end of
    /// the note.
    fn follow(&mut self, middle: usize, key: usize) -> (usize, usize) {
        self.energy[middle * KEYS + key] = 0.0;
        let (mut frame, mut quiet) = (middle + 1, 0);
        while frame < self.frames - 1 && quiet < QUIET_FRAMES {
            quiet = if self.is_quiet(frame, key) { quiet + 1 } else { 0 };
            self.remove(frame, key);
            frame += 1;
        }
        let end = (frame - 1).saturating_sub(quiet);
        let (mut frame, mut quiet) = (middle as isize - 1, 0);
        while frame > 0 && quiet < QUIET_FRAMES {
            quiet = if self.is_quiet(frame as usize, key) { quiet + 1 } else { 0 };
            self.remove(frame as usize, key);
            frame -= 1;
        }
        ((frame + 1) as usize + quiet, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Posteriors of one key that sounds from frame 20 to 49.
    fn posteriors(onset: f32) -> Posteriors {
        let mut posteriors =
            Posteriors { notes: vec![0.0; 100 * KEYS], onsets: vec![0.0; 100 * KEYS] };
        (20..50).for_each(|frame| posteriors.notes[frame * KEYS + 39] = 0.8);
        posteriors.onsets[20 * KEYS + 39] = onset;
        posteriors
    }

    #[test]
    fn a_note_starts_at_its_onset_and_ends_in_silence() {
        let notes = NoteCreation::default().frame_notes(&posteriors(0.9));
        assert_eq!(notes, [FrameNote { start: 20, end: 50, key: 60 }]);
    }

    #[test]
    fn the_velocity_is_proportional_to_the_posterior() {
        let score = NoteCreation::default().score(&posteriors(0.9), 1.5);
        let [note] = score.notes[..] else { panic!("{score:?}") };
        assert_eq!((note.key, note.velocity), (60, 102), "0.8 of 127");
        let [onset_s, end_s] = [20, 50].map(frame_time_s);
        assert!(
            (f64::from(note.onset_s) - onset_s).abs() < 1e-6
                && (f64::from(note.end_s()) - end_s).abs() < 1e-6
        );
        assert_eq!(score.length_s, 1.5);
    }

    #[test]
    fn only_the_melodia_trick_detects_notes_without_onsets() {
        let without =
            NoteCreation { infer_onsets: false, melodia_trick: false, ..NoteCreation::default() };
        assert_eq!(without.frame_notes(&posteriors(0.2)), []);
        let with = NoteCreation { melodia_trick: true, ..without };
        let notes = with.frame_notes(&posteriors(0.2));
        assert!(
            notes.len() == 1 && notes[0].key == 60 && notes[0].start.abs_diff(20) <= 1,
            "{notes:?}"
        );
    }
}
