//! A performance: tempo, rubato, dynamics, articulation and the small inaccuracies of a hand.

use std::f32::consts::TAU;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::texture::Sketch;
use crate::data::score::{Note, Score};

/// Softest and loudest velocity that is played.
const VELOCITIES: (f32, f32) = (18.0, 122.0);
/// Shortest note.
const SHORTEST_S: f32 = 0.06;

/// How a passage is played.
#[derive(Clone, Debug)]
pub struct Performance {
    /// Beats a minute.
    pub tempo_bpm: f32,
    /// Share of a beat by which rubato stretches and squeezes.
    rubato: f32,
    /// Beats of one breath of rubato and of one swell of dynamics.
    breath_beats: f32,
    /// Where in the breath the passage starts, in turns.
    phase: f32,
    /// Velocity about which everything moves.
    loudness: f32,
    /// Velocity steps of the swell.
    swell: f32,
    /// Velocity steps from the start of the passage to its end.
    crescendo: f32,
    /// Held part of a note's written length.
    articulation: f32,
    /// Velocity steps of chance.
    unevenness: f32,
    /// Seconds of chance of an onset.
    jitter_s: f32,
}

impl Performance {
    /// Any scale_noise, at 50 to 180 beats a minute.
    pub fn draw(rng: &mut ChaCha8Rng) -> Self {
        Self {
            tempo_bpm: rng.random_range(50.0..180.0),
            rubato: if rng.random_bool(0.5) { rng.random_range(0.03..0.14) } else { 0.0 },
            breath_beats: rng.random_range(3.0..12.0),
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

    /// The scale_noise of a study: a walking tempo, most velocities within a phrase, notes held for
    /// their length.
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

    /// When a beat comes, in seconds.
    fn time_s(&self, beat: f32) -> f32 {
        let breath = TAU * (beat / self.breath_beats + self.phase);
        let still = TAU * self.phase;
        let beats = beat + self.rubato * self.breath_beats / TAU * (breath.sin() - still.sin());
        beats * 60.0 / self.tempo_bpm
    }

    /// How many beats surely fill `length_s`.
    pub fn beats_for(&self, length_s: f32) -> f32 {
        length_s * self.tempo_bpm / 60.0 * (1.0 + self.rubato) + 1.0
    }

    /// Plays sketches from `start_s` on; what would start at `length_s` or later is left out.
    pub fn play(
        &self,
        sketches: &[Sketch],
        start_s: f32,
        length_s: f32,
        rng: &mut ChaCha8Rng,
    ) -> Score {
        let last_beat = sketches.iter().map(|n| n.beat).fold(1.0, f32::max);
        let play = |n: &Sketch| {
            let jitter_s = self.jitter_s * rng.random_range(-1.0..1.0);
            let onset_s = (start_s + self.time_s(n.beat) + jitter_s).max(start_s);
            let held_s = (self.time_s(n.beat + n.beats) - self.time_s(n.beat)) * self.articulation;
            let swell = self.swell * (TAU * (n.beat / self.breath_beats + self.phase)).sin();
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
        Score::new(sketches.iter().map(play).collect(), length_s)
    }
}
