//! The measures of a short block of audio that the choice of a style's windows depends on.

use std::ops::Range;

use crate::dsp::stft::Stft;

/// Blocks per style window.
pub const BLOCKS_PER_WINDOW: usize = 8;
/// Samples of a style window at [`WINDOW_RATE_HZ`]: 128 frames of 512 samples. Models with other
/// windows divide the same audio differently.
const WINDOW_SAMPLES: u64 = 128 * 512;
/// See [`WINDOW_SAMPLES`].
const WINDOW_RATE_HZ: u64 = 22_050;

/// Parts of a block whose powers are compared.
const PARTS: usize = 16;
/// Rank of [`Block::quiet_power`] among the powers of the parts.
const QUIET_RANK: usize = 3;
/// Power of a sounding part relative to the block's: -20 dB.
const SOUNDING_RATIO: f32 = 0.01;
/// Range of the spectrum in which partials are searched, in Hz.
const RANGE_HZ: (f64, f64) = (40.0, 8000.0);
/// Bins on each side of a partial that contain a gap to the next partial. They are about 11 Hz
/// wide.
const GAP_BINS: usize = 8;
/// Power of a partial relative to the gaps on both of its sides. Noise, averaged over a block, has
/// smaller peaks.
const PARTIAL_RATIO: f32 = 12.0;

/// A block this far below the loud level is not suitable, in dB.
pub const QUIETEST_DB: f32 = 30.0;

/// The measures of one block. Powers are mean squares over samples and channels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Block {
    /// Power of the block.
    pub power: f32,
    /// Power of the block's quiet parts. In stationary sound it is close to `power`.
    pub quiet_power: f32,
    /// Share of the power that is in partials, 0 to 1.
    pub pitched: f32,
    /// Share of the block's parts that sound, 0 to 1. Clicks fill few parts.
    pub filled: f32,
}

impl Block {
    /// Below this share of partials, a block has no pitch.
    const PITCHED: f32 = 0.2;
    /// Quiet parts relative to the whole block, above which sound without a pitch is stationary
    /// (-6 dB). Percussion has pauses between its strokes.
    const STATIONARY: f32 = 0.25;

    /// Whether it is stationary noise, for example hiss.
    pub fn is_noise(&self) -> bool {
        self.pitched < Self::PITCHED && self.quiet_power > Self::STATIONARY * self.power
    }

    /// Whether it is sound with a pitch that lasts.
    pub fn is_tone(&self) -> bool {
        self.pitched >= 0.5 && self.filled >= 0.5
    }

    /// Level in dBFS; silence is far below all other levels.
    pub fn level_db(&self) -> f32 {
        10.0 * self.power.max(1e-20).log10()
    }

    /// Suitability for a style, 0 to 1, in a recording with this loud level.
    pub fn score(&self, loud_db: f32) -> f32 {
        if self.is_noise() {
            return 0.0;
        }
        let loudness = ((self.level_db() - loud_db + QUIETEST_DB) / 20.0).clamp(0.0, 1.0);
        loudness * (2.0 * self.filled).min(1.0) * (0.25 + 0.75 * self.pitched)
    }

    /// The measures of `count` blocks, whose mean is `self`, and one more block.
    #[must_use]
    pub fn merged(self, count: usize, next: Self) -> Self {
        let share = 1.0 / (count + 1) as f32;
        let mean = |a: f32, b: f32| a + share * (b - a);
        let power = mean(self.power, next.power);
        let pitched = mean(self.pitched * self.power, next.pitched * next.power);
        Self {
            power,
            quiet_power: mean(self.quiet_power, next.quiet_power),
            pitched: if power > 0.0 { pitched / power } else { 0.0 },
            filled: mean(self.filled, next.filled),
        }
    }

    /// The measures of a sequence of blocks.
    pub fn mean(blocks: &[Self]) -> Self {
        let counted = blocks.iter().enumerate();
        counted.fold(Self::default(), |mean, (count, block)| mean.merged(count, *block))
    }
}

/// Measures blocks at one sample rate.
pub struct BlockMeter {
    block_samples: usize,
    stft: Stft,
    /// Bins of [`RANGE_HZ`], and the neighbours that their partials are compared with.
    bins: Range<usize>,
    /// Power spectrum of a block.
    spectrum: Vec<f32>,
}

impl BlockMeter {
    /// Plans the transform for a sample rate.
    pub fn new(sample_rate_hz: u32) -> Self {
        let rate_hz = f64::from(sample_rate_hz);
        // Rounded up, so that windows are never too short.
        let block_samples = (WINDOW_SAMPLES * u64::from(sample_rate_hz))
            .div_ceil(WINDOW_RATE_HZ * BLOCKS_PER_WINDOW as u64)
            as usize;
        let n_fft = (sample_rate_hz / 12).next_power_of_two() as usize;
        let stft = Stft::new(n_fft, n_fft / 2);
        let bin = |hz: f64| (hz * n_fft as f64 / rate_hz).round() as usize;
        let end = bin(RANGE_HZ.1).min(stft.bins() - 1);
        Self { block_samples, bins: bin(RANGE_HZ.0)..end, spectrum: vec![0.0; stft.bins()], stft }
    }

    /// Samples per block.
    pub fn block_samples(&self) -> usize {
        self.block_samples
    }

    /// Measures the channels of one block. Missing samples at its end are 0.
    pub fn measure(&mut self, channels: &[&[f32]]) -> Block {
        let mut parts = [0.0; PARTS];
        let part_samples = self.block_samples.div_ceil(PARTS);
        for channel in channels {
            for (part, samples) in parts.iter_mut().zip(channel.chunks(part_samples)) {
                *part += samples.iter().map(|x| x * x).sum::<f32>();
            }
        }
        parts.iter_mut().for_each(|part| *part /= (part_samples * channels.len().max(1)) as f32);
        let power = parts.iter().sum::<f32>() / PARTS as f32;
        let filled = parts.iter().filter(|part| **part > SOUNDING_RATIO * power).count();
        parts.sort_unstable_by(f32::total_cmp);
        Block {
            power,
            quiet_power: parts[QUIET_RANK],
            pitched: self.pitched(channels),
            filled: filled as f32 / PARTS as f32,
        }
    }

    fn pitched(&mut self, channels: &[&[f32]]) -> f32 {
        let (n_fft, hop) = (self.stft.n_fft(), self.stft.hop_length());
        self.spectrum.fill(0.0);
        for channel in channels {
            for start in (0..=self.block_samples - n_fft).step_by(hop) {
                let frame = self.stft.frame(channel, (start + n_fft / 2) as isize);
                self.spectrum.iter_mut().zip(frame).for_each(|(p, x)| *p += x.norm_sqr());
            }
        }
        partial_share(&self.spectrum, self.bins.clone())
    }
}

/// Share of the power in `bins` that is in partials. A partial is higher than a gap on each side,
/// so a slope of the spectrum is no partial.
fn partial_share(spectrum: &[f32], bins: Range<usize>) -> f32 {
    let lowest = |bins: &[f32]| bins.iter().copied().fold(f32::INFINITY, f32::min);
    let (mut whole, mut partials) = (0.0, 0.0);
    for bin in bins {
        let below = lowest(&spectrum[bin.saturating_sub(GAP_BINS)..bin]);
        let above = lowest(&spectrum[bin + 1..spectrum.len().min(bin + 1 + GAP_BINS)]);
        whole += spectrum[bin];
        if spectrum[bin] > PARTIAL_RATIO * below.max(above) {
            partials += spectrum[bin];
        }
    }
    if whole > 0.0 { partials / whole } else { 0.0 }
}
