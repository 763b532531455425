//! Keys, scales and chords.

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

/// Semitones above the tonic: major, natural and harmonic minor, dorian, mixolydian, major
/// pentatonic.
const SCALES: [&[i32]; 6] = [
    &[0, 2, 4, 5, 7, 9, 11],
    &[0, 2, 3, 5, 7, 8, 10],
    &[0, 2, 3, 5, 7, 8, 11],
    &[0, 2, 3, 5, 7, 9, 10],
    &[0, 2, 4, 5, 7, 9, 10],
    &[0, 2, 4, 7, 9],
];

/// Scale degrees of the chords, one for each bar.
const PROGRESSIONS: [&[usize]; 8] = [
    &[0, 3, 4, 0],
    &[0, 5, 3, 4],
    &[0, 4, 5, 3],
    &[5, 3, 0, 4],
    &[0, 5, 1, 4],
    &[1, 4, 0, 5],
    &[0, 4, 5, 2, 3, 0, 3, 4],
    &[0, 6, 5, 4],
];

/// A key with a scale and a repeated chord progression.
#[derive(Clone, Debug)]
pub struct Harmony {
    tonic: i32,
    scale: &'static [i32],
    progression: &'static [usize],
    /// Notes of a chord: 3 (triads) or 4 (seventh chords).
    pub chord_tones: usize,
}

impl Harmony {
    /// A random tonic, scale and progression.
    pub fn draw(rng: &mut ChaCha8Rng) -> Self {
        Self {
            tonic: rng.random_range(0..12),
            scale: SCALES.choose(rng).expect("scales"),
            progression: PROGRESSIONS.choose(rng).expect("progressions"),
            chord_tones: if rng.random_bool(0.3) { 4 } else { 3 },
        }
    }

    /// The scale's keys in `low..=high`, ascending.
    pub fn scale_keys(&self, low: i32, high: i32) -> Vec<i32> {
        (low..=high).filter(|key| self.scale.contains(&(key - self.tonic).rem_euclid(12))).collect()
    }

    /// The keys of bar `bar`'s chord in `low..=high`, ascending.
    pub fn chord_keys(&self, bar: usize, low: i32, high: i32) -> Vec<i32> {
        let root = self.progression[bar % self.progression.len()];
        let class = |third: usize| {
            (self.tonic + self.scale[(root + 2 * third) % self.scale.len()]).rem_euclid(12)
        };
        let classes: Vec<i32> = (0..self.chord_tones).map(class).collect();
        (low..=high).filter(|key| classes.contains(&key.rem_euclid(12))).collect()
    }
}
