//! Varies a score by inaudible amounts that nevertheless change its mel image.
//!
//! Two variations differ in the interference of partials of different notes, and in recording
//! noise. A content does not determine these. So a transfer can only be as near to the target as
//! two variations are to each other, unless it is their mean.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{Note, Score};

/// Maximum change of an onset: about a tenth of a frame, half a period of 250 Hz.
const ONSET_S: f32 = 0.002;
/// Maximum relative change of a velocity.
const VELOCITY: f32 = 0.03;

/// The same notes with slightly different onsets and velocities.
pub fn vary(score: &Score, rng: &mut ChaCha8Rng) -> Score {
    let note = |note: &Note| {
        let velocity = f32::from(note.velocity) * rng.random_range(1.0 - VELOCITY..=1.0 + VELOCITY);
        let onset_s = note.onset_s + rng.random_range(-ONSET_S..=ONSET_S);
        Note {
            // A note must not move across the start of the window.
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
    fn a_variation_has_the_same_notes_at_nearly_the_same_time() {
        let note = |i: u8| Note {
            onset_s: 0.3 * f32::from(i),
            duration_s: 0.25,
            key: 50 + i % 7,
            velocity: 10 * (1 + i.min(11)),
        };
        let score = Score::new((0..20).map(note).collect(), 6.0);
        let varied = vary(&score, &mut random::stream(1, "take", 0));
        assert_ne!(varied, score);
        assert_eq!((varied.notes.len(), varied.length_s), (score.notes.len(), score.length_s));
        for (a, b) in varied.notes.iter().zip(&score.notes) {
            assert_eq!(a.key, b.key);
            assert!((a.onset_s - b.onset_s).abs() <= ONSET_S + 1e-6 && a.onset_s >= 0.0);
            assert!(a.velocity.abs_diff(b.velocity) <= 4 && (1..=127).contains(&a.velocity));
        }
    }
}
