//! Performance: tempo, rubato, dynamics, articulation and small random deviations.

use std::f32::consts::TAU;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::texture::WrittenNote;
use crate::data::score::{Note, Score};

/// Minimum and maximum velocity.
const VELOCITIES: (f32, f32) = (18.0, 122.0);
/// Minimum length of a note.
const SHORTEST_S: f32 = 0.06;

/// Parameters of the performance of a passage.
#[derive(Clone, Debug)]
pub struct Performance {
    /// Beats per minute.
    pub tempo_bpm: f32,
    /// Depth of the rubato, as a share of a beat.
    rubato: f32,
    /// Period of rubato and swell, in beats.
    period_beats: f32,
    /// Phase of the period at the start of the passage, in turns.
    phase: f32,
    /// Mean velocity.
    loudness: f32,
    /// Depth of the swell, in velocity steps.
    swell: f32,
    /// Change from the start of the passage to its end, in velocity steps.
    crescendo: f32,
    /// Performed length of a note as a share of its written length.
    articulation: f32,
    /// Random deviation of a velocity, in velocity steps.
    unevenness: f32,
    /// Random deviation of an onset, in seconds.
    jitter_s: f32,
}

impl Performance {
    /// A random performance at 50 to 180 beats per minute.
    pub fn draw(rng: &mut ChaCha8Rng) -> Self {
        Self {
            tempo_bpm: rng.random_range(50.0..180.0),
            rubato: if rng.random_bool(0.5) { rng.random_range(0.03..0.14) } else { 0.0 },
            period_beats: rng.random_range(3.0..12.0),
            phase: rng.random(),
            loudness: rng.random_range(38.0..108.0),
            swell: rng.random_range(0.0..14.0),
            crescendo: if rng.random_bool(0.4) { rng.random_range(-40.0..40.0) } else { 0.0 },
            articulation: if rng.random_bool(0.25) {
                rng.random_range(0.25..0.7)
            } else {
                rng.random_range(0.8..1.05)
            },
            unevenness: rng.random_range(1.0..9.0),
            jitter_s: rng.random_range(0.0..0.012),
        }
    }

    /// The performance of a study: moderate tempo, wide dynamics, notes at their written length.
    pub fn moderate(rng: &mut ChaCha8Rng) -> Self {
        Self {
            tempo_bpm: rng.random_range(84.0..112.0),
            loudness: rng.random_range(62.0..88.0),
            swell: 12.0,
            crescendo: rng.random_range(-20.0..20.0),
            articulation: 0.97,
            ..Self::draw(rng)
        }
    }

    /// Time of a beat, in seconds.
    fn time_s(&self, beat: f32) -> f32 {
        let phase = TAU * (beat / self.period_beats + self.phase);
        let start = TAU * self.phase;
        let beats = beat + self.rubato * self.period_beats / TAU * (phase.sin() - start.sin());
        beats * 60.0 / self.tempo_bpm
    }

    /// A number of beats that is enough to fill `length_s`.
    pub fn beats_for(&self, length_s: f32) -> f32 {
        length_s * self.tempo_bpm / 60.0 * (1.0 + self.rubato) + 1.0
    }

    /// Performs written notes from `start_s` on. Notes that would start at `length_s` or later are
    /// removed.
    pub fn play(
        &self,
        written: &[WrittenNote],
        start_s: f32,
        length_s: f32,
        rng: &mut ChaCha8Rng,
    ) -> Score {
        let last_beat = written.iter().map(|n| n.beat).fold(1.0, f32::max);
        let play = |n: &WrittenNote| {
            let jitter_s = self.jitter_s * rng.random_range(-1.0..1.0);
            let onset_s = (start_s + self.time_s(n.beat) + jitter_s).max(start_s);
            let held_s = (self.time_s(n.beat + n.beats) - self.time_s(n.beat)) * self.articulation;
            let swell = self.swell * (TAU * (n.beat / self.period_beats + self.phase)).sin();
            let velocity = self.loudness
                + swell
                + self.crescendo * (n.beat / last_beat - 0.5)
                + n.accent
                + self.unevenness * rng.random_range(-1.0..1.0);
            Note {
                onset_s,
                duration_s: held_s.max(SHORTEST_S),
                key: n.key.clamp(0, 127) as u8,
                velocity: velocity.clamp(VELOCITIES.0, VELOCITIES.1) as u8,
            }
        };
        Score::new(written.iter().map(play).collect(), length_s)
    }
}
