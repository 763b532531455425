//! Adds gestures to scores: bends, vibrato, swells and damping.

use std::mem::take;

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use crate::data::random;
use crate::data::score::gesture::{Contour, Gesture, Motion};
use crate::data::score::{Note, Score};

/// Minimum length of a note with a bend.
const BENT_S: f32 = 0.2;
/// Minimum length of a note with vibrato: three slow oscillations.
const VIBRATO_S: f32 = 0.6;
/// Minimum length of a phrase with a swell.
const SWELLING_S: f32 = 0.4;
/// Minimum rest between two phrases.
const BREATH_S: f32 = 0.15;
/// Time for which a bend continues in the release of its note, unless another note begins.
const RELEASE_S: f32 = 0.25;
/// Minimum time between damping and the next note.
const LIFT_S: f32 = 0.01;
/// Bends with return, in cents: mostly up by a semitone or a tone, as on a guitar.
const BENDS_CENTS: [f32; 6] = [100.0, 100.0, 200.0, 200.0, 50.0, -100.0];

/// Adds gestures to the scores of piece `id`, if the piece is in the expressive share.
///
/// Gestures have their own random stream, so they only change notes that damping shortens. A piece
/// of a smaller share is also in every larger one, with equal gestures.
pub fn express(seed: u64, id: u64, share: f32, scores: &mut [Score]) {
    let rng = &mut random::stream(seed, "gestures", id);
    if rng.random::<f32>() < share {
        scores.iter_mut().for_each(|score| *score = Expression::draw(rng).play(take(score), rng));
    }
}

/// Probabilities of gestures in a score.
struct Expression {
    /// Probability of a bend of a note.
    bends: f64,
    /// Probability of vibrato on a long note.
    vibratos: f64,
    /// Probability of a swell of a phrase.
    swells: f64,
    /// Probability of damping before the next note.
    dampings: f64,
    /// Whether damping follows the onset at once, as with palm muting, or later.
    muted: bool,
}

impl Expression {
    /// Random probabilities. Most scores have no damping.
    fn draw(rng: &mut ChaCha8Rng) -> Self {
        Self {
            bends: rng.random_range(0.05..0.5),
            vibratos: rng.random_range(0.2..0.95),
            swells: rng.random_range(0.0..0.9),
            dampings: if rng.random_bool(0.35) { rng.random_range(0.2..0.9) } else { 0.0 },
            muted: rng.random_bool(0.5),
        }
    }

    /// The score with random gestures.
    fn play(&self, score: Score, rng: &mut ChaCha8Rng) -> Score {
        let dampings = self.draw_dampings(&score, rng);
        let score = score.with_gestures(dampings);
        let mut gestures = score.gestures.clone();
        gestures.extend(self.draw_bends_and_vibratos(&score, rng));
        gestures.extend(self.draw_swells(&score, rng));
        score.with_gestures(gestures)
    }

    /// Damping between two onsets, where a note is held.
    fn draw_dampings(&self, score: &Score, rng: &mut ChaCha8Rng) -> Vec<Gesture> {
        let mut dampings = Vec::new();
        let mut undamped = 0;
        for (i, note) in score.notes.iter().enumerate() {
            let gap_s = next_onset_s(score, i) - note.onset_s;
            let rings_s = if self.muted {
                rng.random_range(0.05..0.15)
            } else {
                gap_s * rng.random_range(0.3..0.8)
            };
            let duration_s = rng.random_range(0.015..0.05);
            let onset_s = note.onset_s + rings_s;
            let fits = rings_s > 0.04 && rings_s + duration_s + LIFT_S < gap_s;
            let held = score.notes[undamped..=i].iter().any(|n| n.end_s() > onset_s);
            if rng.random_bool(self.dampings) && fits && held {
                dampings.push(Gesture { onset_s, duration_s, motion: Motion::Damping });
                undamped = i + 1;
            }
        }
        dampings
    }

    /// Bends and vibrato, without overlap, because they change the pitch of all voices.
    fn draw_bends_and_vibratos(&self, score: &Score, rng: &mut ChaCha8Rng) -> Vec<Gesture> {
        let mut gestures = Vec::new();
        let mut free_s = f32::NEG_INFINITY;
        for (i, note) in score.notes.iter().enumerate() {
            let held_s = note.end_s().min(score.length_s) - note.onset_s;
            if note.onset_s < free_s || held_s < BENT_S {
                continue;
            }
            let end_s = note.onset_s + held_s;
            let release_s = (next_onset_s(score, i) - end_s).clamp(0.0, RELEASE_S);
            let before = gestures.len();
            if rng.random_bool(self.bends) {
                gestures.push(draw_bend(note, held_s, release_s, rng));
            }
            if rng.random_bool(self.vibratos) && held_s >= VIBRATO_S {
                gestures.push(draw_vibrato(note, held_s, rng));
            }
            if gestures.len() > before {
                free_s = end_s + release_s;
            }
        }
        gestures
    }

    /// Crescendo or decrescendo of phrases.
    fn draw_swells(&self, score: &Score, rng: &mut ChaCha8Rng) -> Vec<Gesture> {
        let longest_s = rng.random_range(1.5..6.0);
        let mut swells = Vec::new();
        for (onset_s, end_s) in phrases(score, longest_s) {
            let duration_s = end_s - onset_s;
            let soft_db = rng.random_range(-24.0..-8.0);
            let contour = if rng.random_bool(0.5) {
                Contour { from: soft_db, to: 0.0, slide_s: duration_s, return_s: 0.0 }
            } else {
                Contour {
                    from: 0.0,
                    to: soft_db,
                    slide_s: 0.85 * duration_s,
                    return_s: 0.15 * duration_s,
                }
            };
            if rng.random_bool(self.swells) && duration_s >= SWELLING_S {
                swells.push(Gesture { onset_s, duration_s, motion: Motion::Swell(contour) });
            }
        }
        swells
    }
}

/// Onset of the next note, or the end of the score.
fn next_onset_s(score: &Score, index: usize) -> f32 {
    score.notes.get(index + 1).map_or(score.length_s, |next| next.onset_s)
}

/// A bend at the start of a note, at its end, or up and back within it.
fn draw_bend(note: &Note, held_s: f32, release_s: f32, rng: &mut ChaCha8Rng) -> Gesture {
    let slide_s = rng.random_range(0.06..0.22f32).min(0.4 * held_s);
    let far_cents = rng.random_range(50.0..200.0);
    let bend = |onset_s, duration_s, contour| Gesture {
        onset_s,
        duration_s,
        motion: Motion::Bend(contour),
    };
    match rng.random_range(0..3) {
        0 => {
            let from = if rng.random_bool(0.75) { -far_cents } else { far_cents };
            bend(note.onset_s, slide_s, Contour { from, to: 0.0, slide_s, return_s: 0.0 })
        }
        1 => {
            let fall = Contour { from: 0.0, to: -far_cents, slide_s, return_s: 0.0 };
            bend(note.onset_s + held_s - slide_s, slide_s + release_s, fall)
        }
        _ => {
            let late_s = held_s * rng.random_range(0.0..0.2);
            let to = *BENDS_CENTS.choose(rng).expect("bends");
            bend(
                note.onset_s + late_s,
                held_s - late_s,
                Contour { from: 0.0, to, slide_s, return_s: slide_s },
            )
        }
    }
}

/// A vibrato that begins after the onset.
fn draw_vibrato(note: &Note, held_s: f32, rng: &mut ChaCha8Rng) -> Gesture {
    let late_s = rng.random_range(0.05..0.35) * held_s.min(1.5);
    let motion = Motion::Vibrato {
        rate_hz: rng.random_range(4.0..7.0),
        depth_cents: rng.random_range(10.0..60.0),
        fade_in_s: rng.random_range(0.1..0.5),
    };
    Gesture { onset_s: note.onset_s + late_s, duration_s: held_s - late_s, motion }
}

/// Start and end of phrases that are separated by rests or split after `longest_s`. They
/// do not overlap.
fn phrases(score: &Score, longest_s: f32) -> Vec<(f32, f32)> {
    let mut phrases: Vec<(f32, f32)> = Vec::new();
    for note in &score.notes {
        let end_s = note.end_s().min(score.length_s);
        match phrases.last_mut() {
            Some((from_s, to_s)) if note.onset_s < (*to_s + BREATH_S).min(*from_s + longest_s) => {
                *to_s = to_s.max(end_s);
            }
            last => {
                if let Some((_, to_s)) = last {
                    *to_s = to_s.min(note.onset_s);
                }
                phrases.push((note.onset_s, end_s));
            }
        }
    }
    phrases
}

#[cfg(test)]
mod tests {
    use engine::config::{MelConfig, WindowConfig};

    use super::*;
    use crate::data::score::compose::piece;
    use crate::data::score::gesture::Inflection;
    use crate::data::score::piece::Piece;
    use crate::data::score::piece_shape::PieceShape;

    fn pieces(share: f32) -> Vec<Piece> {
        let shape = PieceShape::new(&MelConfig::default(), &WindowConfig::default(), (55, 88));
        (0..200).map(|id| piece(4, id, &PieceShape { expressive: share, ..shape })).collect()
    }

    fn expressive(piece: &Piece) -> bool {
        piece.scores.iter().any(|score| !score.gestures.is_empty())
    }

    #[test]
    fn a_share_of_the_pieces_is_expressive_and_larger_shares_hold_smaller_ones() {
        let [none, some, all] = [0.0, 0.3, 1.0].map(pieces);
        let count = |pieces: &[Piece]| pieces.iter().filter(|p| expressive(p)).count();
        assert_eq!(count(&none), 0);
        assert!((45..75).contains(&count(&some)), "{} of 200", count(&some));
        assert!(count(&all) > 190, "{} of 200", count(&all));
        assert!(some.iter().zip(&all).all(|(some, all)| !expressive(some) || some == all));
    }

    #[test]
    fn gestures_keep_the_notes_except_where_damping_ends_them() {
        for (plain, played) in pieces(0.0).iter().zip(&pieces(1.0)) {
            for (plain, played) in plain.scores.iter().zip(&played.scores) {
                assert_eq!(plain.notes.len(), played.notes.len());
                for (written, note) in plain.notes.iter().zip(&played.notes) {
                    assert_eq!(Note { duration_s: written.duration_s, ..*note }, *written);
                    let damped = |g: &Gesture| {
                        g.motion == Motion::Damping && (note.end_s() - g.onset_s).abs() < 1e-4
                    };
                    assert!(
                        note.duration_s == written.duration_s || played.gestures.iter().any(damped)
                    );
                }
            }
        }
    }

    #[test]
    fn gestures_of_every_kind_overlap_notes_and_stay_inside_midi_ranges() {
        let (mut bends, mut vibratos, mut swells, mut dampings) = (0, 0, 0, 0);
        for score in pieces(1.0).iter().flat_map(|p| &p.scores) {
            for gesture in &score.gestures {
                assert!(gesture.onset_s >= 0.0 && gesture.duration_s > 0.0, "{gesture:?}");
                assert!(gesture.end_s() < score.length_s + 1e-3, "{gesture:?}");
                let near =
                    |n: &Note| n.onset_s <= gesture.end_s() && n.end_s() >= gesture.onset_s - 1e-4;
                assert!(score.notes.iter().any(near), "{gesture:?}");
                match gesture.motion {
                    Motion::Bend(_) => bends += 1,
                    Motion::Vibrato { .. } => vibratos += 1,
                    Motion::Swell(_) => swells += 1,
                    Motion::Damping => dampings += 1,
                }
            }
            for step in 0..(score.length_s * 50.0) as usize {
                let Inflection { cents, level_db } =
                    Inflection::at_time(&score.gestures, step as f32 / 50.0);
                assert!(
                    cents.abs() < 262.0 && (-85.0..=0.0).contains(&level_db),
                    "{cents} cents, {level_db} dB"
                );
            }
        }
        let counts = [bends, vibratos, swells, dampings];
        assert!(counts.iter().all(|count| *count > 300), "{counts:?}");
    }
}
