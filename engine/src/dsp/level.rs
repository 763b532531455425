//! The causal level of a stream and the gain that normalises it for the models.
//!
//! ```
//! use engine::dsp::level::Level;
//!
//! let mut level = Level::new(22_050);
//! let loud: Vec<f32> = (0..22_050).map(|n| if n % 2 == 0 { 0.5 } else { -0.5 }).collect();
//! level.push(&[&loud]);
//! assert!(level.gain() < 1.0);
//! ```

/// Frames per sub-block. Sub-blocks are counted from the reset, independent of the caller's blocks.
const SUB_BLOCK_SAMPLES: usize = 1024;
/// Duration of the remembered audible audio.
const MEMORY_SECONDS: u64 = 12;
/// Target level of [`Level::gain`], and initial content of the memory: -20 dBFS RMS.
const TARGET_POWER: f64 = 1e-2;
/// Part of the loudest sub-block's power that the initial content has at most: -3 dB.
const INITIAL_SHARE: f64 = 0.5;
/// Sub-blocks below -60 dBFS RMS are pauses and are not stored, unless the whole memory is quiet.
const PAUSE_POWER: f64 = 1e-6;
/// In a quiet memory, sub-blocks 25 dB below the loudest one are pauses.
const PAUSE_RATIO: f64 = 3.162_277_660_168_379_4e-3;
/// Sub-blocks below -120 dBFS RMS are silence at any gain.
const SILENCE_POWER: f64 = 1e-12;
/// The gain is bounded to -30 dB and +100 dB.
const GAIN_BOUNDS: (f64, f64) = (0.031_622_776_601_683_79, 1e5);

/// A causal loudness follower. Its gain scales audio before the mel front end, in training and in
/// the stream. The stream's output is divided by it. See
/// `docs/decisions/005-level-from-history.md` and `056-level-of-quiet-input.md`.
///
/// The stream since the reset is divided into sub-blocks of 1024 frames. The power of a sub-block
/// is the mean square over its frames and channels (1.0 is 0 dBFS). A memory holds the powers of
/// the last 12 s / 1024 frames audible sub-blocks. At the reset it is filled with -20 dBFS. Those
/// places follow the input if it is quiet:
///
/// ```text
/// audible = max(-120 dBFS, min(-60 dBFS, loudest - 25 dB))
/// initial = min(-20 dBFS, loudest - 3 dB)
/// gain = clamp(sqrt(0.01 / mean(memory)), -30 dB, +100 dB)
/// ```
///
/// `loudest` is the loudest stored sub-block. Silence does not change the gain. A quiet stream is
/// near -20 dBFS from its first sub-block, and 12 s of steady sound are at -20 dBFS exactly. The
/// gain changes only at the end of a sub-block. It does not depend on the block sizes. Only
/// [`Level::new`] allocates.
#[derive(Clone, Debug)]
pub struct Level {
    /// Powers of the stored sub-blocks, a ring buffer.
    memory: Box<[f64]>,
    /// Number of sub-blocks in the memory. The places behind them have their initial content.
    stored: usize,
    /// Index that the next audible sub-block overwrites.
    oldest: usize,
    /// The largest stored power.
    loudest: f64,
    /// Sum over the current sub-block's frames of the mean square over channels.
    energy: f64,
    /// Frames in the current sub-block, below 1024.
    filled_samples: usize,
    gain: f32,
}

impl Level {
    /// A follower for streams at one rate, in its initial state.
    pub fn new(sample_rate_hz: u32) -> Self {
        let blocks =
            (u64::from(sample_rate_hz) * MEMORY_SECONDS).div_ceil(SUB_BLOCK_SAMPLES as u64).max(1);
        Self {
            memory: vec![TARGET_POWER; blocks as usize].into(),
            stored: 0,
            oldest: 0,
            loudest: 0.0,
            energy: 0.0,
            filled_samples: 0,
            gain: 1.0,
        }
    }

    /// Discards all audio: the gain is 1 again.
    pub fn reset(&mut self) {
        self.memory.fill(TARGET_POWER);
        (self.stored, self.oldest, self.loudest) = (0, 0, 0.0);
        (self.energy, self.filled_samples, self.gain) = (0.0, 0, 1.0);
    }

    /// The linear gain after the last complete sub-block, within -30 dB to +100 dB.
    pub fn gain(&self) -> f32 {
        self.gain
    }

    /// Processes the next frames, one slice per channel.
    ///
    /// # Panics
    /// If the channels differ in length.
    pub fn push(&mut self, channels: &[&[f32]]) {
        let Some(first) = channels.first() else { return };
        assert!(
            channels.iter().all(|c| c.len() == first.len()),
            "channels of one block differ in length"
        );
        let per_channel = 1.0 / channels.len() as f64;
        for i in 0..first.len() {
            // A single sum in sample order: any block sizes give the same bits.
            let squares: f64 = channels.iter().map(|c| f64::from(c[i]) * f64::from(c[i])).sum();
            self.energy += squares * per_channel;
            self.filled_samples += 1;
            if self.filled_samples == SUB_BLOCK_SAMPLES {
                self.end_sub_block();
            }
        }
    }

    fn end_sub_block(&mut self) {
        let power = self.energy / SUB_BLOCK_SAMPLES as f64;
        (self.energy, self.filled_samples) = (0.0, 0);
        let audible = PAUSE_POWER.min(self.loudest * PAUSE_RATIO).max(SILENCE_POWER);
        // NaN and infinity are not stored either.
        if !(power.is_finite() && power >= audible) {
            return;
        }
        self.memory[self.oldest] = power;
        self.oldest = (self.oldest + 1) % self.memory.len();
        self.stored = (self.stored + 1).min(self.memory.len());
        let (stored, initial) = self.memory.split_at_mut(self.stored);
        self.loudest = stored.iter().copied().fold(0.0, f64::max);
        initial.fill(TARGET_POWER.min(self.loudest * INITIAL_SHARE));
        // Recomputed each time (a few hundred values per sub-block), so that rounding errors do not
        // accumulate.
        let mean = self.memory.iter().sum::<f64>() / self.memory.len() as f64;
        self.gain = (TARGET_POWER / mean).sqrt().clamp(GAIN_BOUNDS.0, GAIN_BOUNDS.1) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE_HZ: u32 = 22_050;

    /// A tone with a slow tremolo and this peak.
    fn tone(seconds: f32, peak: f32) -> Vec<f32> {
        let len = (seconds * RATE_HZ as f32) as usize;
        (0..len)
            .map(|i| peak * (i as f32 * 0.07).sin() * (0.6 + 0.4 * (i as f32 * 3e-4).sin()))
            .collect()
    }

    fn rms(signal: &[f32]) -> f64 {
        (signal.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / signal.len() as f64).sqrt()
    }

    fn gain_after(signal: &[f32]) -> f32 {
        let mut level = Level::new(RATE_HZ);
        level.push(&[signal]);
        level.gain()
    }

    #[test]
    fn twelve_seconds_are_at_minus_20_dbfs() {
        for peak in [0.8, 0.1, 0.02] {
            let signal = tone(13.0, peak);
            let whole = signal.len() / 1024 * 1024;
            let measured = &signal[whole - (12 * RATE_HZ as usize).div_ceil(1024) * 1024..whole];
            let level_db = 20.0 * (rms(measured) * f64::from(gain_after(&signal))).log10();
            assert!((level_db + 20.0).abs() < 1e-4, "peak {peak}: {level_db} dBFS");
        }
    }

    #[test]
    fn the_initial_memory_is_at_minus_20_dbfs() {
        assert_eq!(Level::new(RATE_HZ).gain(), 1.0);
        // One sub-block of -14 dBFS and 21 of -40 dBFS, among 259.
        let square = |peak: f32, len: usize| (0..len).map(move |i| [peak, -peak][i % 2]);
        let signal: Vec<f32> = square(0.2, 1024).chain(square(0.01, 21 * 1024)).collect();
        let mean = (0.04 + 21.0 * 1e-4 + 237.0 * 0.01) / 259.0;
        let (gain, expected) = (gain_after(&signal), (0.01f32 / mean).sqrt());
        assert!((gain - expected).abs() < 1e-4, "{gain} {expected}");
    }

    #[test]
    fn a_quiet_stream_is_normalised_from_its_start() {
        for level_db in [-30.0, -55.0, -90.0] {
            let peak = 10f32.powf(level_db / 20.0);
            let signal: Vec<f32> = (0..1024).map(|i| [peak, -peak][i % 2]).collect();
            // The initial content is 3 dB lower.
            let normalised_db = level_db + 20.0 * gain_after(&signal).log10();
            assert!((normalised_db + 17.0).abs() < 0.1, "{level_db}: {normalised_db} dBFS");
        }
        assert_eq!(gain_after(&[3e-7; 4096]), 1.0, "silence");
    }

    #[test]
    fn a_quiet_stream_that_becomes_loud_is_not_too_loud() {
        let mut signal = tone(1.0, 1e-4);
        signal.truncate(signal.len() / 1024 * 1024);
        signal.extend(tone(1.0, 0.3));
        assert!(gain_after(&signal) < 1.1, "{}", gain_after(&signal));
    }

    #[test]
    fn a_pause_in_a_quiet_stream_does_not_change_the_gain() {
        let mut signal = tone(1.0, 1e-3);
        signal.truncate(signal.len() / 1024 * 1024);
        let before = gain_after(&signal);
        signal.extend(tone(30.0, 3e-5));
        assert_eq!(gain_after(&signal), before);
    }

    #[test]
    fn silence_and_noise_floor_do_not_change_the_gain() {
        let mut signal = tone(5.0, 0.03);
        signal.truncate(signal.len() / 1024 * 1024);
        let before = gain_after(&signal);
        signal.extend((0..30 * RATE_HZ as usize).map(|i| if i % 3 == 0 { 1e-3 } else { -5e-4 }));
        assert_eq!(gain_after(&signal), before);
    }

    #[test]
    fn later_samples_do_not_change_earlier_gains() {
        let mut level = Level::new(RATE_HZ);
        let (head, loud) = (tone(3.0, 0.05), vec![1.0; 1023]);
        level.push(&[&head[..3 * 20 * 1024]]);
        let before = level.gain();
        level.push(&[&loud]);
        assert_eq!(level.gain(), before, "an incomplete sub-block has no effect");
        level.push(&[&[1.0]]);
        assert!(level.gain() < before);
    }

    #[test]
    fn block_sizes_do_not_change_the_bits() {
        let (left, right) = (tone(4.0, 0.5), tone(4.0, 0.07));
        let mut whole = Level::new(RATE_HZ);
        whole.push(&[&left, &right]);
        for step in [1, 63, 512, 1024, 1025, 44_100] {
            let mut cut = Level::new(RATE_HZ);
            for (l, r) in left.chunks(step).zip(right.chunks(step)) {
                cut.push(&[l, r]);
            }
            assert_eq!(cut.gain().to_bits(), whole.gain().to_bits(), "blocks of {step}");
        }
    }

    #[test]
    fn reset_restores_the_initial_state() {
        let (mut used, signal) = (Level::new(RATE_HZ), tone(2.0, 0.4));
        used.push(&[&tone(7.3, 0.9)]);
        used.reset();
        assert_eq!(used.gain(), 1.0);
        used.push(&[&signal]);
        assert_eq!(used.gain(), gain_after(&signal));
    }

    #[test]
    fn the_gain_is_bounded_and_survives_bad_samples() {
        let gain_db = |signal: &[f32]| 20.0 * gain_after(signal).log10();
        assert!((gain_db(&vec![1.1e-6; 13 * RATE_HZ as usize]) - 99.17).abs() < 0.01);
        assert!((gain_db(&vec![1e4; 13 * RATE_HZ as usize]) + 30.0).abs() < 1e-3);
        assert_eq!(gain_after(&[f32::NAN; 4096]), 1.0);
        assert_eq!(gain_after(&[f32::INFINITY; 4096]), 1.0);
    }
}
