//! The bound on the cut of notes outside the range of the training data.
//!
//! The models were trained on fundamentals from about E2 to E6, and predict silence outside. See
//! `docs/decisions/057-notes-outside-the-range.md`.
//!
//! ```
//! use engine::vocoder::range::Range;
//!
//! let range = Range::new(44_100, 4096);
//! // Bin 4 is at 43 Hz.
//! let power: Vec<f32> = (0..2049).map(|bin| if bin == 4 { 1.0 } else { 1e-6 }).collect();
//! let mut gain_db = vec![-40.0; 2049];
//! range.bound(&power, &mut gain_db);
//! assert_eq!((gain_db[4], gain_db[100]), (-8.0, -40.0));
//! ```

use crate::dsp::mel::power_to_db;

/// Largest cut of a note outside the range.
const MAX_CUT_DB: f32 = 8.0;
/// Decibels by which the bound decreases for each decibel that a condition is missed.
const SLOPE: f32 = 3.0;
/// Below the first frequency there is no note. The bound holds up to the second one (F2) and
/// decreases above it.
const LOW_HZ: (f32, f32) = (20.0, 88.0);
/// Decrease of the bound above the second one.
const LOW_DB_PER_OCTAVE: f32 = 200.0;
/// A low bin is a fundamental if its level is at most this much below the frame's loudest bin.
const LOW_DEPTH_DB: f32 = 36.0;
/// The levels of its second and third partial are at most this much below it. The body noise of a
/// piano does not have these partials.
const PARTIAL_DEPTH_DB: f32 = 15.0;
/// A tone without partials is this much louder instead.
const PURE_TONE_POWER: f32 = 0.125;
/// A note is high if its fundamental is above this (B5).
const HIGH_HZ: f32 = 1000.0;
/// A frame contains only high notes if its loudest high bin exceeds all others by this.
const HIGH_LEAD_DB: f32 = 20.0;
/// A high bin is a fundamental if its level is at most this much below the loudest high bin.
const HIGH_DEPTH_DB: f32 = 12.0;
/// From this bound on, no bin of a gain law is affected.
const NO_BOUND_DB: f32 = 80.0;
/// Power below which a bin is silent, relative to the loudest.
const TINY: f32 = 1e-12;

/// The bound for the bins of one STFT.
pub struct Range {
    /// The first bin of [`Range::low_slack_db`].
    first_low: usize,
    /// For each low bin, the decrease of its bound.
    low_slack_db: Vec<f32>,
    first_high: usize,
}

impl Range {
    /// The bound for spectra of `n_fft / 2 + 1` bins.
    pub fn new(sample_rate_hz: u32, n_fft: usize) -> Self {
        let bin_hz = sample_rate_hz as f32 / n_fft as f32;
        let bin = |hz: f32| ((hz / bin_hz).ceil() as usize).min(n_fft / 2 + 1);
        let slack =
            |bin: usize| LOW_DB_PER_OCTAVE * (bin as f32 * bin_hz / LOW_HZ.1).log2().max(0.0);
        let first_low = bin(LOW_HZ.0);
        Self {
            first_low,
            low_slack_db: (first_low..=n_fft / 2)
                .map(slack)
                .take_while(|slack_db| *slack_db < NO_BOUND_DB)
                .collect(),
            first_high: bin(HIGH_HZ),
        }
    }

    /// Raises the gains (dB) of one frame to the bound. `power` is the content's power spectrum.
    ///
    /// # Panics
    /// If there are fewer gains or powers than bins.
    pub fn bound(&self, power: &[f32], gain_db: &mut [f32]) {
        let (others, high) = power.split_at(self.first_high);
        let loudest = |bins: &[f32]| bins.iter().copied().fold(0.0, f32::max);
        let (loudest_other, loudest_high) = (loudest(others), loudest(high));
        let all = loudest_other.max(loudest_high);
        if all <= 0.0 {
            return;
        }
        let low = self.first_low..self.first_low + self.low_slack_db.len();
        for (bin, slack_db) in low.zip(&self.low_slack_db) {
            let partials = partial(power, 2 * bin).min(partial(power, 3 * bin));
            let evidence = partials.max(power[bin] * PURE_TONE_POWER);
            let missed_db = missed_db(power[bin] / all, LOW_DEPTH_DB)
                + missed_db(evidence / all, PARTIAL_DEPTH_DB);
            raise(&mut gain_db[bin], slack_db + missed_db);
        }
        let slack_db = missed_db(loudest_high / loudest_other.max(all * TINY), -HIGH_LEAD_DB);
        if slack_db >= NO_BOUND_DB {
            return;
        }
        for (gain_db, p) in gain_db[self.first_high..].iter_mut().zip(high) {
            raise(gain_db, slack_db + missed_db(p / loudest_high, HIGH_DEPTH_DB));
        }
    }
}

/// The power of the partial at about this bin.
fn partial(power: &[f32], bin: usize) -> f32 {
    let end = (bin + 2).min(power.len());
    power[(bin - 1).min(end)..end].iter().copied().fold(0.0, f32::max)
}

/// Decrease of the bound if a power ratio is more than `depth_db` below 1.
fn missed_db(ratio: f32, depth_db: f32) -> f32 {
    SLOPE * (-depth_db - power_to_db(ratio, TINY)).max(0.0)
}

fn raise(gain_db: &mut f32, slack_db: f32) {
    if slack_db < NO_BOUND_DB {
        *gain_db = gain_db.max(-MAX_CUT_DB - slack_db);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The gains of a frame with these powers (bin, dB) after the bound; all gains were -60 dB.
    fn bounded(powers_db: &[(usize, f32)]) -> Vec<f32> {
        let mut power = vec![1e-9; 2049];
        powers_db.iter().for_each(|&(bin, db)| power[bin] = 10f32.powf(db / 10.0));
        let mut gain_db = vec![-60.0; 2049];
        Range::new(44_100, 4096).bound(&power, &mut gain_db);
        gain_db
    }

    #[test]
    fn the_fundamental_of_a_low_note_is_kept() {
        let gain_db = bounded(&[(5, -30.0), (10, -10.0), (15, -5.0), (20, 0.0)]);
        assert_eq!((gain_db[5], gain_db[10], gain_db[20]), (-MAX_CUT_DB, -60.0, -60.0));
    }

    #[test]
    fn low_noise_below_higher_notes_is_not_kept() {
        // Body noise at 75 Hz, and a third: 196 and 247 Hz.
        let gain_db = bounded(&[(6, -25.0), (7, -20.0), (8, -25.0), (18, 0.0), (23, 0.0)]);
        assert!(gain_db[..30].iter().all(|&db| db < -45.0), "{:?}", &gain_db[..30]);
    }

    #[test]
    fn a_high_note_is_kept_only_without_lower_ones() {
        // 2.5 kHz and its octave.
        assert_eq!(bounded(&[(232, 0.0), (464, -20.0)])[232], -MAX_CUT_DB);
        assert_eq!(bounded(&[(232, 0.0), (464, -20.0), (58, 0.0)])[232], -60.0);
    }

    #[test]
    fn silence_has_no_bound() {
        let mut gain_db = vec![-60.0; 2049];
        Range::new(44_100, 4096).bound(&[0.0; 2049], &mut gain_db);
        assert!(gain_db.iter().all(|&db| db == -60.0));
    }

    #[test]
    fn every_rate_has_a_bound() {
        for (rate_hz, n_fft) in [(8000, 768), (22_050, 2048), (192_000, 16_384)] {
            let mut gain_db = vec![-60.0; n_fft / 2 + 1];
            Range::new(rate_hz, n_fft).bound(&vec![1.0; n_fft / 2 + 1], &mut gain_db);
            assert!(gain_db.iter().all(|db| (-60.0..=0.0).contains(db)));
        }
    }
}
