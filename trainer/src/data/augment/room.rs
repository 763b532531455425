//! A small synthetic room: Schroeder's reverberator (parallel combs, then allpasses; JAES 10, 1962)
//! with Moorer's damping in the combs (Computer Music Journal 3, 1979).

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::data::decibels::amplitude;

/// Comb delays of a room of size 1. They are mutually prime at usual sample rates, so that echoes
/// do not coincide.
const COMBS_MS: [f32; 6] = [29.7, 33.3, 37.1, 39.9, 41.1, 43.7];
/// Allpass delays.
const ALLPASSES_MS: [f32; 2] = [5.0, 1.7];
/// Allpass coefficient.
const ALLPASS_GAIN: f32 = 0.7;
/// Extra delay of the right channel.
const SPREAD_MS: f32 = 1.04;

/// A room and the distance of the microphone.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Room {
    /// Time in which low frequencies decay by 60 dB, in seconds.
    pub decay_s: f32,
    /// Scale of all delays.
    pub size: f32,
    /// Level of the reverberation relative to the direct sound.
    pub wet_db: f32,
    /// Delay of the reverberation.
    pub predelay_ms: f32,
    /// Loss of treble with every echo: 0 (bright) to 1 (dull).
    pub damping: f32,
}

impl Room {
    /// A random room between a booth and a small hall.
    pub fn draw(rng: &mut ChaCha8Rng) -> Self {
        Self {
            decay_s: rng.random_range(0.15..0.9),
            size: rng.random_range(0.5..1.2),
            wet_db: rng.random_range(-26.0..-12.0),
            predelay_ms: rng.random_range(2.0..25.0),
            damping: rng.random_range(0.15..0.6),
        }
    }

    /// Adds the reverberation to one channel. `side` is 0 for left, 1 for right.
    pub fn run(&self, signal: &mut [f32], sample_rate_hz: f32, side: usize) {
        let wet = self.reverberation(signal, sample_rate_hz, side);
        let predelay = (self.predelay_ms * 1e-3 * sample_rate_hz) as usize;
        let gain = amplitude(self.wet_db);
        for (value, echo) in signal.iter_mut().skip(predelay).zip(&wet) {
            *value += gain * echo;
        }
    }

    /// The reverberation. For white noise its power is about that of the signal.
    fn reverberation(&self, signal: &[f32], sample_rate_hz: f32, side: usize) -> Vec<f32> {
        let samples = |ms: f32| {
            (((ms + SPREAD_MS * side as f32) * self.size * 1e-3 * sample_rate_hz) as usize).max(1)
        };
        let mut wet = vec![0.0; signal.len()];
        for ms in COMBS_MS {
            self.comb(signal, &mut wet, samples(ms), sample_rate_hz);
        }
        for ms in ALLPASSES_MS {
            allpass(&mut wet, samples(ms));
        }
        wet
    }

    /// Adds one damped comb. Its loop loses 60 dB in `decay_s`.
    fn comb(&self, signal: &[f32], wet: &mut [f32], delay_samples: usize, sample_rate_hz: f32) {
        let feedback = 10.0f32.powf(-3.0 * delay_samples as f32 / sample_rate_hz / self.decay_s);
        // Normalises the power of the loop's echoes and of the sum of all combs.
        let gain = ((1.0 - feedback * feedback) / COMBS_MS.len() as f32).sqrt();
        let mut line = vec![0.0f32; delay_samples];
        let (mut at, mut low) = (0, 0.0f32);
        for (input, output) in signal.iter().zip(wet) {
            let echo = line[at];
            low = echo + self.damping * (low - echo);
            line[at] = input + feedback * low;
            *output += gain * echo;
            at = if at + 1 == delay_samples { 0 } else { at + 1 };
        }
    }
}

/// Schroeder's allpass, in place.
fn allpass(signal: &mut [f32], delay_samples: usize) {
    let mut line = vec![0.0f32; delay_samples];
    let mut at = 0;
    for value in signal {
        let echo = line[at];
        let inside = *value + ALLPASS_GAIN * echo;
        line[at] = inside;
        *value = echo - ALLPASS_GAIN * inside;
        at = if at + 1 == delay_samples { 0 } else { at + 1 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_impulse_decays_by_60_db_in_the_decay_time() {
        let room = Room { decay_s: 0.5, size: 1.0, wet_db: -12.0, predelay_ms: 10.0, damping: 0.0 };
        let mut impulse = vec![0.0; 22_050];
        impulse[0] = 1.0;
        room.run(&mut impulse, 22_050.0, 0);
        assert_eq!(impulse[0], 1.0);
        assert!(impulse[1..200].iter().all(|v| *v == 0.0), "silence before the predelay");
        let energy_db = |from_s: f32| {
            let from = (from_s * 22_050.0) as usize;
            10.0 * impulse[from..from + 2205].iter().map(|v| v * v).sum::<f32>().log10()
        };
        let slope_db = energy_db(0.5) - energy_db(0.1);
        assert!((slope_db + 48.0).abs() < 5.0, "{slope_db} dB in 0.4 s of a decay of 0.5 s");
    }
}
