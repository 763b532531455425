//! A score: which note sounds when, how long and how hard. Everything else is the instrument's.

use serde::{Deserialize, Serialize};

/// Silence left between two notes of one key, so that the second one is struck anew.
const RESTRIKE_GAP_S: f32 = 0.02;

/// One note.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// When the key goes down, in seconds from the start; negative in a [`Score::window`] when the note was
    /// struck before the window began.
    pub onset_s: f32,
    /// How long the key stays down, in seconds.
    pub duration_s: f32,
    /// MIDI key, 0 to 127 (60 is the middle C).
    pub key: u8,
    /// MIDI velocity, 1 to 127.
    pub velocity: u8,
}

impl Note {
    /// When the key goes up, in seconds from the start.
    pub fn end_s(&self) -> f32 {
        self.onset_s + self.duration_s
    }
}

/// Notes sorted by onset, then key; no two notes of one key overlap.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// The notes.
    pub notes: Vec<Note>,
    /// How long the score is, in seconds; notes may end later.
    pub length_s: f32,
}

impl Score {
    /// Sorts the notes, drops those that start after the end, and shortens a note that would still sound when its
    /// own key is struck again.
    pub fn new(mut notes: Vec<Note>, length_s: f32) -> Self {
        notes.retain(|n| n.onset_s < length_s && n.velocity > 0);
        notes.sort_by(|a, b| a.onset_s.total_cmp(&b.onset_s).then(a.key.cmp(&b.key)));
        let mut kept: Vec<Note> = Vec::with_capacity(notes.len());
        let mut last_of_key = [usize::MAX; 128];
        for note in notes {
            if let Some(previous) = kept.get_mut(last_of_key[usize::from(note.key & 127)]) {
                let room_s = note.onset_s - previous.onset_s - RESTRIKE_GAP_S;
                if room_s < RESTRIKE_GAP_S {
                    continue; // struck twice at once: one finger wins
                }
                previous.duration_s = previous.duration_s.min(room_s);
            }
            last_of_key[usize::from(note.key & 127)] = kept.len();
            kept.push(note);
        }
        Self { notes: kept, length_s }
    }

    /// The notes that sound in `[start_s, start_s + length_s)`, in that window's own time.
    pub fn window(&self, start_s: f32, length_s: f32) -> Self {
        let sounds = |n: &&Note| n.onset_s < start_s + length_s && n.end_s() > start_s;
        let moved = |n: &Note| Note { onset_s: n.onset_s - start_s, ..*n };
        Self { notes: self.notes.iter().filter(sounds).map(moved).collect(), length_s }
    }

    /// Lowest and highest key; `None` without notes.
    pub fn key_range(&self) -> Option<(u8, u8)> {
        let keys = self.notes.iter().map(|n| n.key);
        Some((keys.clone().min()?, keys.max()?))
    }

    /// The most notes that are held at once.
    pub fn polyphony(&self) -> usize {
        let held = |at: f32| self.notes.iter().filter(|n| n.onset_s <= at && n.end_s() > at).count();
        self.notes.iter().map(|n| held(n.onset_s)).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(onset_s: f32, duration_s: f32, key: u8) -> Note {
        Note { onset_s, duration_s, key, velocity: 80 }
    }

    #[test]
    fn a_key_is_released_before_it_is_struck_again() {
        let score = Score::new(vec![note(1.0, 1.0, 60), note(0.0, 5.0, 60), note(0.5, 5.0, 64)], 4.0);
        assert_eq!(score.notes.iter().map(|n| n.key).collect::<Vec<_>>(), [60, 64, 60]);
        assert!(score.notes[0].end_s() < 1.0, "{:?}", score.notes[0]);
        assert_eq!(score.polyphony(), 2);
    }

    #[test]
    fn a_window_keeps_what_sounds_and_tells_what_began_before() {
        let score = Score::new(vec![note(0.0, 0.5, 60), note(0.5, 2.0, 62), note(3.0, 1.0, 64)], 5.0);
        let window = score.window(1.0, 1.5);
        assert_eq!(window.notes.len(), 1);
        assert!((window.notes[0].onset_s + 0.5).abs() < 1e-6);
    }
}
