//! The built-in composer: an endless sequence of pieces from a seed.
//!
//! The pieces are not good music. They cover combinations of register, density, tempo, dynamics,
//! articulation, rests, rubato and gestures, each with an exact score.

mod expression;
mod harmony;
mod performance;
mod texture;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

pub use self::expression::express;
use self::harmony::Harmony;
use self::performance::Performance;
use self::texture::Passage;
use crate::data::random;
use crate::data::score::Score;
use crate::data::score::instruments::{Instrument, NARROWEST_RANGE};
use crate::data::score::piece::{Piece, PieceKind};
use crate::data::score::piece_shape::PieceShape;

/// Lowest key of a piece with an extended range: the guitar's low E.
const WIDE_LOWEST_KEY: u8 = 40;
/// Share of the pieces with a range below the common one.
const WIDE_SHARE: f64 = 0.3;

/// Piece `id` of the seed's endless sequence. It is equal on every machine.
pub fn piece(seed: u64, id: u64, shape: &PieceShape) -> Piece {
    let rng = &mut random::stream(seed, "compose", id);
    let kind = if rng.random_bool(0.5) { PieceKind::Isolated } else { PieceKind::Continuous };
    let chunks = rng.random_range(shape.min_chunks..=shape.max_chunks);
    let wide = rng.random_bool(WIDE_SHARE);
    let low = if wide { WIDE_LOWEST_KEY.min(shape.lowest_key) } else { shape.lowest_key };
    let keys = (i32::from(low), i32::from(shape.highest_key));
    let mut scores = match kind {
        PieceKind::Isolated => {
            (0..chunks).map(|_| isolated_window(rng, keys, shape.window_s)).collect()
        }
        PieceKind::Continuous => vec![passages(rng, keys, shape.continuous_s(chunks))],
    };
    express(seed, id, shape.expressive, &mut scores);
    Piece { kind, chunks, scores }
}

/// Key range of a study, common to the default instruments.
const STUDY_KEYS: (u8, u8) = (55, 88);

/// A study for style references: melody, broken chords, block chords and a scale, at several
/// levels. Its keys are those that the default instruments share, moved into the instrument's range
/// if necessary.
pub fn study(seed: u64, length_s: f32, instrument: &Instrument) -> Score {
    let (low, high) = study_keys(instrument);
    let rng = &mut random::stream(seed, "study", 0);
    let harmony = Harmony::draw(rng);
    let part_s = length_s / texture::STUDY.len() as f32;
    let mut notes = Vec::new();
    for (part, texture) in texture::STUDY.iter().enumerate() {
        let performance = Performance::moderate(rng);
        let (start_s, end_s) = (part as f32 * part_s + 0.05, (part + 1) as f32 * part_s);
        let beats = performance.beats_for(end_s - start_s).ceil();
        let passage = Passage { harmony: &harmony, low, high, beats, bar: 4.0 };
        notes.extend(performance.play(&texture(&passage, rng), start_s, end_s, rng).notes);
    }
    Score::new(notes, length_s)
}

fn study_keys(instrument: &Instrument) -> (i32, i32) {
    let [lowest, highest, low, high] =
        [instrument.lowest_key, instrument.highest_key, STUDY_KEYS.0, STUDY_KEYS.1].map(i32::from);
    let low = low.min(highest - (high - low)).max(lowest);
    (low, highest.min(low + i32::from(STUDY_KEYS.1 - STUDY_KEYS.0)))
}

/// A register of at least an octave and a half inside `keys`.
fn register(rng: &mut ChaCha8Rng, (low, high): (i32, i32)) -> (i32, i32) {
    let span = rng.random_range(i32::from(NARROWEST_RANGE).min(high - low)..=high - low);
    let low = rng.random_range(low..=high - span);
    (low, low + span)
}

/// One window: silence, some notes, often silence again.
fn isolated_window(rng: &mut ChaCha8Rng, keys: (i32, i32), window_s: f32) -> Score {
    let (low, high) = register(rng, keys);
    let harmony = Harmony::draw(rng);
    let performance = Performance::draw(rng);
    let start_s = rng.random_range(0.02..0.35);
    let end_s = if rng.random_bool(0.5) { window_s } else { rng.random_range(0.5..1.0) * window_s };
    let beats = performance.beats_for(end_s - start_s);
    let passage = Passage { harmony: &harmony, low, high, beats, bar: 4.0 };
    let written = texture::draw(&passage, rng);
    let mut score = performance.play(&written, start_s, end_s, rng);
    if score.notes.is_empty() {
        return isolated_window(rng, keys, window_s); // only rests: draw again
    }
    score.length_s = window_s;
    score
}

/// A piece of several passages in one key, with different texture, register and performance, and
/// rests between them.
fn passages(rng: &mut ChaCha8Rng, keys: (i32, i32), length_s: f32) -> Score {
    let harmony = Harmony::draw(rng);
    let bar = if rng.random_bool(0.25) { 3.0 } else { 4.0 };
    let mut performance = Performance::draw(rng);
    let mut start_s: f32 = rng.random_range(0.0..0.6);
    let mut notes = Vec::new();
    while start_s < length_s {
        if rng.random_bool(0.35) {
            performance = Performance::draw(rng);
        }
        let end_s = (start_s + rng.random_range(4.0..12.0)).min(length_s);
        let (low, high) = register(rng, keys);
        let beats = (performance.beats_for(end_s - start_s) / bar).ceil() * bar;
        let passage = Passage { harmony: &harmony, low, high, beats, bar };
        let written = texture::draw(&passage, rng);
        notes.extend(performance.play(&written, start_s, end_s, rng).notes);
        start_s = end_s + if rng.random_bool(0.3) { rng.random_range(0.3..2.0) } else { 0.0 };
    }
    Score::new(notes, length_s)
}

#[cfg(test)]
mod tests {
    use engine::config::{MelConfig, WindowConfig};

    use super::*;
    use crate::data::score::instruments::{SHIPPED_STYLES, by_name};

    fn shape() -> PieceShape {
        PieceShape::new(&MelConfig::default(), &WindowConfig::default(), (55, 88))
    }

    #[test]
    fn a_piece_depends_only_on_seed_and_number() {
        assert_eq!(piece(7, 3, &shape()), piece(7, 3, &shape()));
        assert_ne!(piece(7, 3, &shape()), piece(7, 4, &shape()));
        assert_ne!(piece(7, 3, &shape()), piece(8, 3, &shape()));
    }

    #[test]
    fn notes_are_inside_the_window_and_the_range() {
        let mut wide = 0;
        for id in 0..200 {
            let piece = piece(1, id, &shape());
            assert_eq!(
                piece.scores.len(),
                if piece.kind == PieceKind::Isolated { piece.chunks } else { 1 }
            );
            let keys = piece.scores.iter().filter_map(Score::key_range);
            let (low, high) = keys.fold((127, 0), |a, b| (a.0.min(b.0), a.1.max(b.1)));
            assert!(low >= WIDE_LOWEST_KEY && high <= 88, "piece {id}: {low}..{high}");
            wide += usize::from(low < 55);
            for score in &piece.scores {
                assert!(!score.notes.is_empty(), "piece {id} has an empty score");
                for n in &score.notes {
                    assert!(
                        n.onset_s >= 0.0 && n.onset_s < score.length_s && n.duration_s > 0.0,
                        "{n:?}"
                    );
                }
            }
        }
        assert!((30..90).contains(&wide), "{wide} of 200 pieces leave the common range");
    }

    #[test]
    fn a_study_stays_in_its_instruments_keys() {
        for name in SHIPPED_STYLES {
            let instrument = by_name(name).unwrap();
            let keys = study(1, 12.0, &instrument).key_range().unwrap();
            assert!(
                instrument.lowest_key <= keys.0 && keys.1 <= instrument.highest_key,
                "{name}: {keys:?}"
            );
        }
        assert_eq!(study_keys(&by_name("piano").unwrap()), (55, 88));
        assert_eq!(study_keys(&by_name("cello").unwrap()), (48, 81));
    }

    #[test]
    fn the_collection_is_varied() {
        let pieces: Vec<_> = (0..300).map(|id| piece(2, id, &shape())).collect();
        let scores: Vec<_> = pieces.iter().flat_map(|p| &p.scores).collect();
        let polyphony: Vec<_> = scores.iter().map(|s| s.polyphony()).collect();
        assert!(
            polyphony.iter().filter(|p| **p == 1).count() > scores.len() / 20,
            "monophonic scores"
        );
        assert!(polyphony.iter().filter(|p| **p >= 6).count() > scores.len() / 20, "dense scores");
        let velocities = scores.iter().flat_map(|s| s.notes.iter().map(|n| n.velocity));
        let (soft, loud) =
            velocities.fold((0, 0), |(s, l), v| (s + u32::from(v < 50), l + u32::from(v > 95)));
        assert!(soft > 1000 && loud > 1000, "{soft} soft and {loud} loud notes");
    }
}
