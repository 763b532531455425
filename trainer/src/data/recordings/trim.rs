//! Detects silence at both ends of a recording, as `librosa.effects.trim` does.

use std::ops::Range;

use engine::dsp::mel::AMIN;

/// librosa's `hop_length`: samples between two frames.
const HOP_SAMPLES: usize = 512;
/// librosa's `frame_length`, in hops. Frame `t` is centred at sample `t * 512` and has 2048
/// samples; those outside of the recording are zero.
const FRAME_HOPS: usize = 4;

/// The power of a recording's frames, computed block by block.
#[derive(Debug, Default)]
pub struct FramePowers {
    /// Sum of squares of each 512 samples.
    energies: Vec<f64>,
    /// Samples so far.
    samples: usize,
}

impl FramePowers {
    /// Adds the next samples.
    pub fn push(&mut self, samples: &[f32]) {
        for sample in samples {
            if self.samples.is_multiple_of(HOP_SAMPLES) {
                self.energies.push(0.0);
            }
            *self.energies.last_mut().expect("pushed at the first sample") +=
                f64::from(*sample).powi(2);
            self.samples += 1;
        }
    }

    /// Samples so far.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// Mean square of the loudest frame; 1.0 is 0 dBFS.
    pub fn loudest(&self) -> f64 {
        self.powers().fold(0.0, f64::max)
    }

    /// The samples between the first and the last frame above `loudest - top_db`:
    /// `librosa.effects.trim(y, top_db=top_db)[1]`.
    ///
    /// As in librosa, a silent recording is not trimmed.
    pub fn sounding(&self, top_db: f64) -> Range<usize> {
        let db = |power: f64| 10.0 * power.max(f64::from(AMIN)).log10();
        let threshold_db = db(self.loudest()) - top_db;
        let sounds = |(_, power): &(usize, f64)| db(*power) > threshold_db;
        let mut frames = self.powers().enumerate().filter(sounds).map(|(frame, _)| frame);
        let Some(first) = frames.next() else { return 0..0 };
        let last = frames.last().unwrap_or(first);
        first * HOP_SAMPLES..((last + 1) * HOP_SAMPLES).min(self.samples)
    }

    /// Mean square of every frame.
    fn powers(&self) -> impl Iterator<Item = f64> {
        let half = FRAME_HOPS / 2;
        (0..=self.samples / HOP_SAMPLES).map(move |frame| {
            let hops = frame.saturating_sub(half)..(frame + half).min(self.energies.len());
            self.energies[hops].iter().sum::<f64>() / (FRAME_HOPS * HOP_SAMPLES) as f64
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sounding(signal: &[f32], block: usize) -> Range<usize> {
        let mut powers = FramePowers::default();
        signal.chunks(block).for_each(|block| powers.push(block));
        powers.sounding(20.0)
    }

    #[test]
    fn a_burst_is_found_where_librosa_finds_it_for_all_block_sizes() {
        let mut signal = vec![0.0f32; 40_000];
        signal[10_000..20_000].fill(0.5);
        // The result of librosa 0.11: frames of 2048 samples with at least 21 of the burst.
        let range = 9_216..21_504;
        assert_eq!(sounding(&signal, signal.len()), range);
        for block in [1, 511, 512, 5000] {
            assert_eq!(sounding(&signal, block), range);
        }
    }

    #[test]
    fn the_end_is_never_past_the_last_sample_and_silence_stays() {
        assert_eq!(sounding(&[0.3; 700], 100), 0..700);
        assert_eq!(sounding(&[0.0; 5_000], 100), 0..5_000);
        assert_eq!(sounding(&[], 1), 0..0);
    }
}
