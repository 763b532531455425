//! A look-ahead limiter for true peaks.
//!
//! The limiter delays a signal by a constant number of samples, switched on or off. Switched off,
//! and as long as no true peak exceeds the ceiling, it changes no bit.
//!
//! ```text
//! input -> true peaks -> required reduction -> maximum -> release -> smoothing -> reduction
//!   |                                                                                 |
//!   +------------------------------- delay ---------------------------------------> gain -> output
//! ```
//!
//! The maximum holds a reduction until its peak is output. The smoothing is as long as the attack,
//! so the gain reaches the required value exactly at the peak, without a step.
//!
//! ```
//! use engine::dsp::limiter::{CEILING, Limiter};
//!
//! let mut limiter = Limiter::new(1, 48_000);
//! limiter.set_enabled(true);
//! let mut loud = [(0..48_000).map(|n| 2.0 * (0.1 * n as f32).sin()).collect()];
//! limiter.process(&mut loud);
//! assert!(loud[0].iter().all(|sample| sample.abs() < 1.001 * CEILING));
//!
//! limiter.reset();
//! let quiet: Vec<f32> = (0..1000).map(|n| 0.8 * (0.1 * n as f32).sin()).collect();
//! let mut output = [quiet.clone()];
//! limiter.process(&mut output);
//! let delay = Limiter::delay_samples(48_000);
//! assert_eq!(output[0][delay..], quiet[..1000 - delay]);
//! ```

mod held_max;
mod history;

use super::true_peak::{LOOK_AHEAD_SAMPLES, TAPS, TruePeak};
use super::window::hann_periodic;
use held_max::HeldMax;
use history::History;

/// Largest true peak of the output, linear: -1 dBTP.
pub const CEILING: f32 = 0.891_250_94;
/// Duration of the fall of the gain before a peak.
const ATTACK_MS: f64 = 2.0;
/// Time constant of the rise of the gain after a peak.
const RELEASE_MS: f64 = 100.0;
/// A smaller reduction ends. It is -100 dB, so its end is inaudible.
const SMALLEST_REDUCTION: f32 = 1e-5;

/// A limiter with one gain for all channels, so that a stereo image does not move.
///
/// After [`Limiter::new`], no function allocates memory. The output depends on the samples, not on
/// the block sizes.
#[derive(Clone, Debug)]
pub struct Limiter {
    enabled: bool,
    true_peak: TruePeak,
    /// The last samples of every channel.
    samples: Vec<History>,
    delay: usize,
    held: HeldMax,
    /// The reduction with its release, before the smoothing. The gain is 1 minus the reduction.
    reduction: f32,
    /// Factor of the reduction per sample in a release.
    release: f32,
    /// The last values of `reduction`.
    reductions: History,
    /// Weights of the smoothing; their sum is 1.
    weights: Vec<f32>,
    /// Number of samples until the smoothed reduction is 0, if no new one is required.
    active: usize,
}

impl Limiter {
    /// A limiter, switched off, for blocks of `channels` channels at a rate in Hz.
    pub fn new(channels: usize, sample_rate_hz: u32) -> Self {
        let (attack, delay) = (attack_samples(sample_rate_hz), Self::delay_samples(sample_rate_hz));
        let release_samples = RELEASE_MS / 1000.0 * f64::from(sample_rate_hz);
        Self {
            enabled: false,
            true_peak: TruePeak::new(),
            samples: vec![History::new(TAPS.max(delay + 1)); channels],
            delay,
            // A point between two samples belongs to both.
            held: HeldMax::new(attack + 1),
            reduction: 0.0,
            release: (-1.0 / release_samples).exp() as f32,
            reductions: History::new(attack),
            weights: smoothing(attack),
            active: 0,
        }
    }

    /// Samples from input to output at a rate in Hz: 2 ms and 15 samples.
    pub fn delay_samples(sample_rate_hz: u32) -> usize {
        attack_samples(sample_rate_hz) - 1 + LOOK_AHEAD_SAMPLES
    }

    /// Switches the limiter on or off. A present reduction ends with its release. The peaks that
    /// were received before remain unlimited.
    pub fn set_enabled(&mut self, enabled: bool) {
        if self.enabled && !enabled {
            self.held.reset();
        }
        self.enabled = enabled;
    }

    /// Starts a new signal. The limiter stays on or off.
    pub fn reset(&mut self) {
        self.samples.iter_mut().for_each(History::reset);
        self.held.reset();
        self.reductions.reset();
        (self.reduction, self.active) = (0.0, 0);
    }

    /// Replaces one block (channels x equally many samples) by the output, which is
    /// [`Self::delay_samples`] late.
    pub fn process(&mut self, block: &mut [Vec<f32>]) {
        let len = block.first().map_or(0, Vec::len);
        for n in 0..len {
            for (samples, channel) in self.samples.iter_mut().zip(&*block) {
                samples.push(channel[n]);
            }
            let reduction = self.next_reduction();
            for (samples, channel) in self.samples.iter().zip(&mut *block) {
                let sample = samples.last(self.delay + 1)[0];
                channel[n] = if reduction == 0.0 { sample } else { sample * (1.0 - reduction) };
            }
        }
    }

    /// The smoothed reduction of the next output sample, 0 to 1.
    fn next_reduction(&mut self) -> f32 {
        if !self.enabled && self.active == 0 {
            return 0.0;
        }
        let required = if self.enabled { self.required_reduction() } else { 0.0 };
        self.reduction = self.held.push(required).max(self.reduction * self.release);
        if self.reduction < SMALLEST_REDUCTION {
            self.reduction = 0.0;
        }
        self.reductions.push(self.reduction);
        let attack = self.weights.len();
        self.active = if self.reduction > 0.0 { attack } else { self.active.saturating_sub(1) };
        if self.active == 0 {
            return 0.0;
        }
        dot(&self.weights, self.reductions.last(attack)).min(1.0)
    }

    /// The reduction for the peaks at the newest point that can be interpolated.
    fn required_reduction(&self) -> f32 {
        let peaks = self.samples.iter().map(|samples| self.true_peak.at(samples.last(TAPS)));
        let peak = peaks.fold(0.0, f32::max);
        if peak > CEILING { 1.0 - CEILING / peak } else { 0.0 }
    }
}

fn attack_samples(sample_rate_hz: u32) -> usize {
    ((ATTACK_MS / 1000.0 * f64::from(sample_rate_hz)).round() as usize).max(1)
}

/// A Hann window without its zeros, with the sum 1.
fn smoothing(len: usize) -> Vec<f32> {
    let weights = &hann_periodic(len + 1)[1..];
    let sum: f32 = weights.iter().sum();
    weights.iter().map(|weight| weight / sum).collect()
}

/// The product of two slices of equal length. Eight sums, because the compiler may not reorder one.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0; 8];
    let (a, b) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a.zip(b) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
    }
    rest + sums.iter().sum::<f32>()
}

#[cfg(test)]
mod tests;
