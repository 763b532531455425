//! Another take of a score: what nobody hears the difference of, and every image shows.
//!
//! Two takes differ in how partials of different notes meet, and in the recording's noise. None of
//! that is told by a content, so a transfer cannot be expected to be nearer to one take than two
//! takes are to each other, but where it is their mean.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::score::{Note, Score};

/// Onsets move by so much at most: a tenth of a frame, half a period of 250 Hz.
const ONSET_S: f32 = 0.002;
/// Velocities move by this share at most.
const VELOCITY: f32 = 0.03;

/// The same notes, each a little earlier or later, softer or harder.
pub fn another(score: &Score, rng: &mut ChaCha8Rng) -> Score {
    let note = |note: &Note| {
        let velocity = f32::from(note.velocity) * rng.random_range(1.0 - VELOCITY..=1.0 + VELOCITY);
        let onset_s = note.onset_s + rng.random_range(-ONSET_S..=ONSET_S);
        Note {
            // Before the window begins lies what was struck before it, nothing else.
            onset_s: if note.onset_s < 0.0 { note.onset_s } else { onset_s.max(0.0) },
            velocity: velocity.round().clamp(1.0, 127.0) as u8,
            ..*note
        }
    };
    Score::new(score.notes.iter().map(note).collect(), score.length_s)
        .with_gestures(score.gestures.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::random;

    #[test]
    fn a_take_has_the_same_notes_nearly_where_they_were() {
        let note = |i: u8| Note {
            onset_s: 0.3 * f32::from(i),
            duration_s: 0.25,
            key: 50 + i % 7,
            velocity: 10 * (1 + i.min(11)),
        };
        let score = Score::new((0..20).map(note).collect(), 6.0);
        let take = another(&score, &mut random::stream(1, "take", 0));
        assert_ne!(take, score);
        assert_eq!((take.notes.len(), take.length_s), (score.notes.len(), score.length_s));
        for (a, b) in take.notes.iter().zip(&score.notes) {
            assert_eq!(a.key, b.key);
            assert!((a.onset_s - b.onset_s).abs() <= ONSET_S + 1e-6 && a.onset_s >= 0.0);
            assert!(a.velocity.abs_diff(b.velocity) <= 4 && (1..=127).contains(&a.velocity));
        }
    }
}
