//! Scores: notes and gestures, independent of the instrument.

pub mod compose;
pub mod gesture;
pub mod instruments;
pub mod midi;
pub mod piece;
pub mod piece_shape;
pub mod variation;

use serde::{Deserialize, Serialize};

use gesture::{Gesture, Motion};

/// Minimum silence between two notes of one key, so that the second one has an attack.
const RESTRIKE_GAP_S: f32 = 0.02;

/// One note.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// Time of the note-on, in seconds from the start. It is negative in a [`Score::window`] if the
    /// note began before the window.
    pub onset_s: f32,
    /// Time from note-on to note-off, in seconds.
    pub duration_s: f32,
    /// MIDI key, 0 to 127 (60 is the middle C).
    pub key: u8,
    /// MIDI velocity, 1 to 127.
    pub velocity: u8,
}

impl Note {
    /// Time of the note-off, in seconds from the start.
    pub fn end_s(&self) -> f32 {
        self.onset_s + self.duration_s
    }

    /// The same note, `by_s` seconds later.
    pub fn later(&self, by_s: f32) -> Self {
        Self { onset_s: self.onset_s + by_s, ..*self }
    }
}

/// Notes, sorted by onset, then key. Notes of one key do not overlap, and damping ends all notes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// The notes.
    pub notes: Vec<Note>,
    /// Length of the score, in seconds. Notes may end later.
    pub length_s: f32,
    /// Gestures, which apply to all notes at a time, sorted by onset.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gestures: Vec<Gesture>,
}

impl Score {
    /// Sorts the notes, removes those that start after the end, and shortens a note that overlaps
    /// the next one of its key.
    pub fn new(mut notes: Vec<Note>, length_s: f32) -> Self {
        notes.retain(|n| n.onset_s < length_s && n.velocity > 0);
        notes.sort_by(|a, b| a.onset_s.total_cmp(&b.onset_s).then(a.key.cmp(&b.key)));
        let mut kept: Vec<Note> = Vec::with_capacity(notes.len());
        let mut last_of_key = [usize::MAX; 128];
        for note in notes {
            if let Some(previous) = kept.get_mut(last_of_key[usize::from(note.key & 127)]) {
                let room_s = note.onset_s - previous.onset_s - RESTRIKE_GAP_S;
                if room_s < RESTRIKE_GAP_S {
                    continue; // too close to be two notes
                }
                previous.duration_s = previous.duration_s.min(room_s);
            }
            last_of_key[usize::from(note.key & 127)] = kept.len();
            kept.push(note);
        }
        Self { notes: kept, length_s, gestures: Vec::new() }
    }

    /// The score with these gestures instead of its own. Notes end where damping starts. Damping
    /// during a note's onset is removed, because a hand cannot do both at once.
    pub fn with_gestures(mut self, mut gestures: Vec<Gesture>) -> Self {
        let damps = |g: &&Gesture| g.motion == Motion::Damping;
        gestures.retain(|g| !damps(&g) || !self.notes.iter().any(|n| g.spans(n.onset_s)));
        gestures.sort_by(|a, b| a.onset_s.total_cmp(&b.onset_s));
        for damping in gestures.iter().filter(damps) {
            for note in self.notes.iter_mut().filter(|n| n.onset_s < damping.onset_s) {
                note.duration_s = note.duration_s.min(damping.onset_s - note.onset_s);
            }
        }
        Self { gestures, ..self }
    }

    /// The notes and gestures in `[start_s, start_s + length_s)`, with times relative to `start_s`.
    pub fn window(&self, start_s: f32, length_s: f32) -> Self {
        let inside = |onset_s: f32, end_s: f32| onset_s < start_s + length_s && end_s > start_s;
        let notes = self.notes.iter().filter(|n| inside(n.onset_s, n.end_s()));
        let gestures = self.gestures.iter().filter(|g| inside(g.onset_s, g.end_s()));
        Self {
            notes: notes.map(|n| n.later(-start_s)).collect(),
            length_s,
            gestures: gestures.map(|g| g.later(-start_s)).collect(),
        }
    }

    /// Lowest and highest key; `None` without notes.
    pub fn key_range(&self) -> Option<(u8, u8)> {
        let keys = self.notes.iter().map(|n| n.key);
        Some((keys.clone().min()?, keys.max()?))
    }

    /// Maximum number of simultaneous notes.
    pub fn polyphony(&self) -> usize {
        let held =
            |at: f32| self.notes.iter().filter(|n| n.onset_s <= at && n.end_s() > at).count();
        self.notes.iter().map(|n| held(n.onset_s)).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::gesture::{Contour, Inflection};
    use super::*;

    fn note(onset_s: f32, duration_s: f32, key: u8) -> Note {
        Note { onset_s, duration_s, key, velocity: 80 }
    }

    #[test]
    fn a_key_is_released_before_its_next_note() {
        let score =
            Score::new(vec![note(1.0, 1.0, 60), note(0.0, 5.0, 60), note(0.5, 5.0, 64)], 4.0);
        assert_eq!(score.notes.iter().map(|n| n.key).collect::<Vec<_>>(), [60, 64, 60]);
        assert!(score.notes[0].end_s() < 1.0, "{:?}", score.notes[0]);
        assert_eq!(score.polyphony(), 2);
    }

    #[test]
    fn a_window_keeps_notes_that_began_before_it() {
        let score =
            Score::new(vec![note(0.0, 0.5, 60), note(0.5, 2.0, 62), note(3.0, 1.0, 64)], 5.0);
        let window = score.window(1.0, 1.5);
        assert_eq!(window.notes.len(), 1);
        assert!((window.notes[0].onset_s + 0.5).abs() < 1e-6);
    }

    fn damping(onset_s: f32) -> Gesture {
        Gesture { onset_s, duration_s: 0.05, motion: Motion::Damping }
    }

    #[test]
    fn a_window_keeps_its_gestures() {
        let bend = Contour { from: 0.0, to: 100.0, slide_s: 0.2, return_s: 0.2 };
        let bend = |onset_s| Gesture { onset_s, duration_s: 1.0, motion: Motion::Bend(bend) };
        let score = Score::new(vec![note(0.0, 5.0, 60)], 5.0).with_gestures(vec![
            bend(3.0),
            bend(0.5),
            bend(0.0),
        ]);
        assert_eq!(score.gestures, [bend(0.0), bend(0.5), bend(3.0)]);
        let window = score.window(1.0, 1.5);
        assert_eq!(window.gestures, [bend(-0.5)]);
        for time_s in [0.0, 0.3, 0.49, 0.6] {
            let apart = Inflection::at_time(&window.gestures, time_s).cents
                - Inflection::at_time(&score.gestures, 1.0 + time_s).cents;
            assert!(apart.abs() < 1e-2, "{apart} cents at {time_s} s");
        }
    }

    #[test]
    fn notes_end_where_damping_starts() {
        let notes = vec![note(0.0, 3.0, 60), note(0.5, 0.2, 64), note(1.5, 1.0, 67)];
        let score = Score::new(notes, 4.0).with_gestures(vec![damping(1.0), damping(1.48)]);
        assert_eq!(score.gestures, [damping(1.0)], "the other damping overlaps an onset");
        assert_eq!(score.notes.iter().map(|n| n.duration_s).collect::<Vec<_>>(), [1.0, 0.2, 1.0]);
    }

    #[test]
    fn a_score_without_gestures_keeps_its_old_format() {
        let text =
            r#"{"notes":[{"onset_s":0.5,"duration_s":1.0,"key":60,"velocity":80}],"length_s":2.0}"#;
        let score: Score = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&score).unwrap(), text);
        let damped = score.with_gestures(vec![damping(1.0)]);
        let back: Score = serde_json::from_str(&serde_json::to_string(&damped).unwrap()).unwrap();
        assert_eq!(back, damped);
    }
}
