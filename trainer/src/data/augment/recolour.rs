//! Simulates another recording chain on a mel image: a random equaliser and a random noise floor.
//!
//! A dataset has only a few dozen recording chains, too few for a model that processes any
//! recording. In the log-mel domain an equaliser is an addition, and stationary noise is an
//! addition of powers. So new chains need no rendering.

use std::f32::consts::PI;
use std::ops::Range;

use engine::config::MelConfig;
use engine::diffusion::noise;
use engine::dsp::filterbank::MelFilterbank;
use engine::image::MelImage;
use rand::Rng;

use crate::data::decibels::power;
use crate::data::random;

/// Maximum gain of each cosine over the mel axis, in dB. The k-th has k + 1 half periods.
const EQUALISER_DB: [f32; 7] = [10.0, 8.0, 6.0, 5.0, 4.0, 3.0, 3.0];
/// Share of recordings with a noise floor.
const NOISY: f64 = 0.35;
/// Level of the floor at the centre of the mel axis, in dB of a mel spectrogram. White noise of
/// -60 dBFS has -42 dB.
const NOISE_DB: Range<f32> = -60.0..-34.0;
/// Maximum difference of the floor between both ends of the mel axis, in dB.
const NOISE_TILT_DB: f32 = 14.0;
/// Standard deviation of the level of white noise in one bin of a spectrogram, in dB (of an
/// exponential variate).
const ONE_BIN_DB: f32 = 5.57;
/// Correlation of the noise of adjacent frames: the square of the correlation of Hann windows that
/// overlap by 75 %.
const NOISE_CORRELATION: f32 = 0.43;
/// Values of an image below this are near the floor.
const NEAR_FLOOR: f32 = 0.1;

/// Applies simulated recording chains to images of one mel config.
pub struct Recolouring {
    mel: MelConfig,
    /// Width of each band, in Hz.
    widths_hz: Vec<f32>,
}

/// One simulated recording chain. All images of a recording share it.
pub struct Colour {
    /// Gain of each band.
    gain_db: Vec<f32>,
    /// Noise floor of each band, if any.
    noise_db: Option<Vec<f32>>,
}

impl Recolouring {
    /// For images of a mel config.
    pub fn new(mel: &MelConfig) -> Self {
        let centres =
            MelFilterbank::new(mel.sample_rate_hz as f32, mel.n_fft, mel.n_mels).band_centers_hz();
        let last = centres.len() - 1;
        let width = |band: usize| {
            let (below, above) = (band.saturating_sub(1), (band + 1).min(last));
            (centres[above] - centres[below]) / (above - below).max(1) as f32
        };
        Self { mel: mel.clone(), widths_hz: (0..=last).map(width).collect() }
    }

    /// A random chain. Equal seeds give equal chains.
    pub fn colour(&self, seed: u64) -> Colour {
        let rng = &mut random::stream(seed, "colour", 0);
        let strength: f32 = rng.random();
        let cosines_db = EQUALISER_DB.map(|most| strength * rng.random_range(-most..most));
        let noise = rng
            .random_bool(NOISY)
            .then(|| (rng.random_range(NOISE_DB), rng.random_range(-1.0..1.0)));
        let place = |band: usize| (band as f32 + 0.5) / self.mel.n_mels as f32;
        let gain_db = |band: usize| {
            let cosines = cosines_db.iter().enumerate();
            cosines.map(|(k, a)| a * (PI * (k + 1) as f32 * place(band)).cos()).sum()
        };
        let floor_db = |(level_db, tilt): (f32, f32)| {
            (0..self.mel.n_mels)
                .map(|band| level_db + tilt * NOISE_TILT_DB * (place(band) - 0.5))
                .collect()
        };
        Colour {
            gain_db: (0..self.mel.n_mels).map(gain_db).collect(),
            noise_db: noise.map(floor_db),
        }
    }

    /// Applies a chain to an image and keeps its level; `seed` is for the noise.
    ///
    /// Pixels at the floor stay there unless the noise is louder. Pixels near it are raised by
    /// less, because the image has no information below its floor.
    pub fn recolour(&self, image: &mut MelImage, colour: &Colour, seed: u64) {
        let level_db = 10.0
            * (self.power(image, |_| 0.0) / self.power(image, |band| colour.gain_db[band])).log10();
        for (row, gain_db) in image.data.chunks_exact_mut(image.frames).zip(&colour.gain_db) {
            let change =
                (gain_db + if level_db.is_finite() { level_db } else { 0.0 }) / self.mel.range_db;
            for value in row.iter_mut().filter(|value| **value > 0.0) {
                let share = if change > 0.0 { (*value / NEAR_FLOOR).min(1.0) } else { 1.0 };
                *value = (*value + share * change).clamp(0.0, 1.0);
            }
        }
        if let Some(noise_db) = &colour.noise_db {
            self.add_noise(image, noise_db, seed);
        }
    }

    /// Sum of the power over all bands and frames after a gain, in an arbitrary unit.
    fn power(&self, image: &MelImage, gain_db: impl Fn(usize) -> f32) -> f32 {
        let rows = image.data.chunks_exact(image.frames).zip(&self.widths_hz).enumerate();
        let of_row = |row: &[f32]| row.iter().map(|value| self.power_of(*value)).sum::<f32>();
        rows.map(|(band, (row, width_hz))| width_hz * power(gain_db(band)) * of_row(row)).sum()
    }

    /// Power of an image's value; 0 at the floor.
    fn power_of(&self, value: f32) -> f32 {
        if value > 0.0 { power(self.mel.to_db(value)) } else { 0.0 }
    }

    fn add_noise(&self, image: &mut MelImage, noise_db: &[f32], seed: u64) {
        let draws = noise::gaussian(seed, 0, image.data.len(), 1);
        let bin_hz = self.mel.sample_rate_hz as f32 / self.mel.n_fft as f32;
        let rows = image.data.chunks_exact_mut(image.frames).zip(draws.chunks_exact(image.frames));
        for (band, (row, draws)) in rows.enumerate() {
            // The level of a wide band varies less, because it is a mean over more bins.
            let deviation_db = ONE_BIN_DB / (self.widths_hz[band] / bin_hz).max(1.0).sqrt();
            let mut previous = None;
            for (value, fresh) in row.iter_mut().zip(draws) {
                let now = previous.map_or(*fresh, |last: f32| {
                    NOISE_CORRELATION * last
                        + (1.0 - NOISE_CORRELATION * NOISE_CORRELATION).sqrt() * fresh
                });
                previous = Some(now);
                let sum = self.power_of(*value) + power(noise_db[band] + deviation_db * now);
                *value = self.mel.from_db(10.0 * sum.log10()).max(*value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recolouring() -> (Recolouring, MelConfig) {
        let mel = MelConfig::default();
        (Recolouring::new(&mel), mel)
    }

    /// Partials over silence.
    fn music(mel: &MelConfig) -> MelImage {
        let mut image = MelImage::filled(mel.n_mels, 64, 0.0);
        for (band, row) in
            image.data.chunks_exact_mut(64).enumerate().filter(|(band, _)| band % 3 > 0)
        {
            row.iter_mut().for_each(|value| *value = 0.9 - 0.004 * band as f32);
        }
        image
    }

    #[test]
    fn an_equaliser_is_smooth_keeps_the_level_and_depends_on_the_seed() {
        let (recolouring, mel) = recolouring();
        let plain = music(&mel);
        let mut changed = 0;
        for seed in 0..40 {
            let gain_db = recolouring.colour(seed).gain_db;
            assert_eq!(gain_db, recolouring.colour(seed).gain_db);
            assert!(gain_db.windows(2).all(|pair| (pair[0] - pair[1]).abs() < 4.0), "smooth");
            changed += usize::from(gain_db.iter().any(|gain| gain.abs() > 3.0));
            let mut image = plain.clone();
            recolouring.recolour(&mut image, &Colour { gain_db, noise_db: None }, 1);
            let level_db = 10.0
                * (recolouring.power(&image, |_| 0.0) / recolouring.power(&plain, |_| 0.0)).log10();
            assert!(level_db.abs() < 0.5, "seed {seed}: {level_db} dB");
            let silent = plain.data.iter().zip(&image.data).filter(|(before, _)| **before == 0.0);
            assert!(
                silent.into_iter().all(|(_, after)| *after == 0.0),
                "pixels at the floor stay there"
            );
        }
        assert!(changed > 30, "most chains are audible: {changed}");
    }

    #[test]
    fn noise_fills_silent_bands_at_its_own_level() {
        let (recolouring, mel) = recolouring();
        let colour =
            Colour { gain_db: vec![0.0; mel.n_mels], noise_db: Some(vec![-40.0; mel.n_mels]) };
        let mut image = music(&mel);
        recolouring.recolour(&mut image, &colour, 7);
        let rows: Vec<&[f32]> = image.data.chunks_exact(64).collect();
        let quiet: Vec<f32> =
            rows.iter().step_by(3).flat_map(|row| row.iter().map(|v| mel.to_db(*v))).collect();
        let mean_db = quiet.iter().sum::<f32>() / quiet.len() as f32;
        assert!((mean_db + 40.0).abs() < 1.0, "{mean_db} dB");
        let spread = |row: &[f32]| row.iter().fold(0.0f32, |most, v| most.max((v - row[0]).abs()));
        assert!(spread(rows[0]) > spread(rows[126]), "bands of few bins vary more");
        let loud = music(&mel);
        let change = rows[1].iter().zip(&loud.data[64..]).map(|(a, b)| (a - b).abs());
        assert!(change.fold(0.0, f32::max) < 0.01, "pixels far above the noise stay");
    }

    #[test]
    fn noise_varies_as_much_in_the_first_frame_as_in_the_others() {
        let (recolouring, mel) = recolouring();
        // Far from the floor, so that no value is clipped.
        let colour =
            Colour { gain_db: vec![0.0; mel.n_mels], noise_db: Some(vec![-10.0; mel.n_mels]) };
        let mut squares = [0.0f32; 3];
        for seed in 0..300 {
            let mut image = MelImage::filled(mel.n_mels, 3, 0.0);
            recolouring.recolour(&mut image, &colour, seed);
            let off = image.data[..3].iter().map(|value| mel.to_db(*value) + 10.0);
            squares.iter_mut().zip(off).for_each(|(sum, off)| *sum += off * off / 300.0);
        }
        assert!(squares.iter().all(|mean| (mean / squares[2] - 1.0).abs() < 0.35), "{squares:?}");
    }
}
