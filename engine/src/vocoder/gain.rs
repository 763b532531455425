//! The gain from the content's mel to the target's, on the bins of the host's STFT.
//!
//! It only scales existing content and does not fill empty bands; see
//! `docs/decisions/026-single-gain-correction.md`.
//!
//! ```
//! use engine::config::MelConfig;
//! use engine::image::MelImage;
//! use engine::vocoder::gain::{GainLaw, Images};
//!
//! let mut law = GainLaw::new(44_100, 4096, &MelConfig::default());
//! let (content, target) = (MelImage::filled(128, 1, 0.8), MelImage::filled(128, 1, 0.9));
//! let images = Images::new(&content, &target);
//! let mut gain = vec![0.0; 2049];
//! law.shape(&images, 0.0, &vec![1e3; 2049], 1.0, &mut gain);
//! // 0.1 of an image's range is 8 dB.
//! assert!((20.0 * gain[500].log10() - 8.0).abs() < 0.1);
//! ```

use super::range::Range;
use crate::config::MelConfig;
use crate::dsp::mel::{MelFilterbank, power_to_db};
use crate::image::MelImage;

/// Largest boost of a bin: the range of the default image.
pub const MAX_BOOST_DB: f32 = 80.0;
/// Largest cut of a bin.
pub const MAX_CUT_DB: f32 = 80.0;
/// Below this frequency there is no sound. A constant offset there is not raised.
const LOWEST_HZ: f32 = 20.0;
/// Largest change of a band by the correction.
const CORRECTION_STEP_DB: f32 = 20.0;
/// Slope at which a boost of the top band decreases above the model's range, because a constant
/// boost is too bright. A cut stays constant.
const FADE_DB_PER_OCTAVE: f32 = 12.0;
/// Range of image values above the floor in which a target fades in if the content is silent. A
/// decoder's output for silence is not exactly 0.
const FADE_IN: f32 = 0.04;
/// Additional cut of a band with its target at the floor. The floor means "this level or below",
/// and a steady residue at the floor is audible in a pause.
const FLOOR_CUT_DB: f32 = 20.0;
/// Distance of a frame's loudest band from the image's floor, and the largest boost of the frame's
/// power there. Between them, the boost follows a line; above the second one, it has no limit.
const QUIET_BOOST_DB: [(f32, f32); 2] = [(22.0, 2.0), (44.0, 26.0)];
/// A window whose loudest pixel is this much above a frame's is as quiet as the frame.
const QUIET_WINDOW_DB: f32 = 20.0;
/// Mel power, at the images' level, below which a band is silent and not corrected.
const SILENCE: f32 = 1e-10;
/// Depth below the image's floor to which the correction distinguishes levels.
const CORRECTION_DEPTH_DB: f32 = 20.0;
/// Powers of two per decibel of power: `log2(10) / 10`.
const LOG2_PER_DB: f32 = std::f32::consts::LOG2_10 / 10.0;

/// The mel images of one window.
#[derive(Clone, Copy)]
pub struct Images<'a> {
    /// The content.
    pub content: &'a MelImage,
    /// The target.
    pub target: &'a MelImage,
    /// The content's largest value.
    pub loudest: f32,
}

impl<'a> Images<'a> {
    /// The images of one window.
    pub fn new(content: &'a MelImage, target: &'a MelImage) -> Self {
        Self { content, target, loudest: content.data.iter().copied().fold(0.0, f32::max) }
    }
}

/// The gain law of one host rate and mel config, with its scratch memory. Frames are independent.
pub struct GainLaw {
    mel: MelConfig,
    bank: MelFilterbank,
    range: Range,
    /// For each bin, the band below it and the weight of the band above.
    bin_bands: Vec<(usize, f32)>,
    /// The first bin at an audible frequency.
    first_audible: usize,
    /// For each bin above the top band's centre, its distance in octaves.
    octaves_above: Vec<f32>,
    /// The top band's weight at its centre.
    top_weight: f32,
    /// `(model n_fft / host n_fft)^2`: the power of tones and noise in a windowed sum is
    /// proportional to this.
    scale: f32,
    band_db: Vec<f32>,
    gain_db: Vec<f32>,
    /// The target mel level in dB.
    target_db: Vec<f32>,
    shaped: Vec<f32>,
    bin_db: Vec<f32>,
}

impl GainLaw {
    /// The law for host spectra of `n_fft / 2 + 1` bins.
    pub fn new(host_rate_hz: u32, n_fft: usize, mel: &MelConfig) -> Self {
        let max_hz = mel.sample_rate_hz as f32 / 2.0;
        let bank = MelFilterbank::with_range(host_rate_hz as f32, n_fft, mel.n_mels, 0.0, max_hz);
        let last = mel.n_mels.saturating_sub(2);
        let neighbours = |position: f32| {
            let lower = (position as usize).min(last);
            (lower, position - lower as f32)
        };
        let top_hz = bank.band_centers_hz()[mel.n_mels - 1];
        let octaves =
            |bin: usize| (bin as f32 * host_rate_hz as f32 / n_fft as f32 / top_hz).log2();
        let mut top = vec![0.0; bank.bins()];
        // A host rate below the model's has no such bin; its last bin is used.
        let centre = (top_hz * n_fft as f32 / host_rate_hz as f32).round() as usize;
        top[centre.min(bank.bins() - 1)] = 1.0;
        let mut top_weight = 0.0;
        bank.apply(&top, |m, weight| {
            top_weight = if m + 1 == mel.n_mels { weight } else { top_weight }
        });
        Self {
            range: Range::new(host_rate_hz, n_fft),
            first_audible: (LOWEST_HZ * n_fft as f32 / host_rate_hz as f32).ceil() as usize,
            top_weight,
            bin_bands: bank.bin_positions().into_iter().map(neighbours).collect(),
            octaves_above: (0..bank.bins()).map(octaves).filter(|&o| o > 0.0).collect(),
            scale: (mel.n_fft as f32 / n_fft as f32).powi(2),
            band_db: vec![0.0; mel.n_mels],
            gain_db: vec![0.0; mel.n_mels],
            target_db: vec![0.0; mel.n_mels],
            shaped: vec![0.0; bank.bins()],
            bin_db: vec![0.0; bank.bins()],
            mel: mel.clone(),
            bank,
        }
    }

    /// The factor from host power to the images' power, at the images' level gain (linear).
    pub fn analysis(&self, level_gain: f32) -> f32 {
        self.scale * level_gain * level_gain
    }

    /// Computes the linear gain of every bin for one host frame.
    ///
    /// `power` is the frame's power spectrum (mean over channels), `analysis` is from
    /// [`GainLaw::analysis`]. `position` is the frame's centre in frames of the images, clamped to
    /// their ends.
    ///
    /// # Panics
    /// If `power` or `gain` does not have one value per bin.
    pub fn shape(
        &mut self,
        images: &Images,
        position: f64,
        power: &[f32],
        analysis: f32,
        gain: &mut [f32],
    ) {
        self.bank.apply(power, |m, p| self.band_db[m] = power_to_db(p * analysis, SILENCE));
        let loudest_db = self.band_db.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        self.compute_gains(images, position);
        interpolate(&self.bin_bands, &self.gain_db, |bin, db| self.bin_db[bin] = db);
        for ((target, is), gained) in
            self.target_db.iter_mut().zip(&self.band_db).zip(&self.gain_db)
        {
            *target = is + gained;
        }
        self.correct(power, analysis);
        self.fade_above(power, analysis);
        self.range.bound(power, &mut self.bin_db);
        self.bin_db[..self.first_audible].iter_mut().for_each(|db| *db = db.min(0.0));
        let window_db = images.loudest * self.mel.range_db - QUIET_WINDOW_DB;
        self.bound_quiet(power, window_db.min(loudest_db - self.mel.floor_db()));
        self.linear(gain);
    }

    /// Computes every band's gain in dB.
    ///
    /// If the content is above the floor of its image, the gain is the difference of the images.
    /// Otherwise the image does not contain the content's level, and the host's spectrum is used
    /// instead.
    fn compute_gains(&mut self, images: &Images, position: f64) {
        let last = images.content.frames.saturating_sub(1);
        let at = position.clamp(0.0, last as f64);
        let (left, share) = (at as usize, at.fract() as f32);
        let right = (left + 1).min(last);
        for (m, gain_db) in self.gain_db.iter_mut().enumerate() {
            let [a, b] = [left, right].map(|frame| Cell::from_images(images, m, frame));
            let lerp = |value: fn(&Cell) -> f32| mix(value(&a), value(&b), share);
            let (t, content_floor) = (lerp(|c| c.target), lerp(|c| c.content_floor));
            let relative_db =
                lerp(|c| c.rise) * self.mel.range_db - FLOOR_CUT_DB * lerp(|c| c.floor_excess);
            let absolute_db = (self.mel.to_db(t) - self.band_db[m]) * (1.0 - at_floor(t));
            let gain = if content_floor > 0.0 {
                mix(relative_db, absolute_db, content_floor)
            } else {
                relative_db
            };
            *gain_db = gain.clamp(-MAX_CUT_DB, MAX_BOOST_DB);
        }
    }

    /// Corrects `bin_db` so that `power` with this gain is nearer to the target mel. Without it, a
    /// loud partial of one band leaks through the interpolation into the neighbouring band's sum.
    ///
    /// One correction only, because a model's target is blurred; see
    /// `docs/decisions/026-single-gain-correction.md`.
    fn correct(&mut self, power: &[f32], analysis: f32) {
        for ((shaped, p), db) in self.shaped.iter_mut().zip(power).zip(&self.bin_db) {
            *shaped = p * exp2(db * LOG2_PER_DB);
        }
        let (missing, target_db) = (&mut self.band_db, &self.target_db);
        let floor_db = self.mel.floor_db() - CORRECTION_DEPTH_DB;
        self.bank.apply(&self.shaped, |m, p| {
            let is_db = power_to_db(p * analysis, SILENCE);
            let missing_db = target_db[m].max(floor_db) - is_db.max(floor_db);
            let audible = p * analysis > SILENCE;
            missing[m] = if audible {
                missing_db.clamp(-CORRECTION_STEP_DB, CORRECTION_STEP_DB)
            } else {
                0.0
            };
        });
        let bin_db = &mut self.bin_db;
        interpolate(&self.bin_bands, &self.band_db, |bin, db| {
            bin_db[bin] = (bin_db[bin] + db).clamp(-MAX_CUT_DB, MAX_BOOST_DB);
        });
    }

    /// Fades a boost of the top band above the model's range, where the images have no data. The
    /// result is at most the top band's target level.
    fn fade_above(&mut self, power: &[f32], analysis: f32) {
        let first = self.bin_db.len() - self.octaves_above.len();
        let top_db = self.target_db[self.mel.n_mels - 1];
        for ((db, octaves), p) in
            self.bin_db[first..].iter_mut().zip(&self.octaves_above).zip(&power[first..])
        {
            let fade_db = FADE_DB_PER_OCTAVE * octaves;
            let is_db = power_to_db(p * analysis * self.top_weight, SILENCE);
            *db -= fade_db.min(db.max(0.0));
            *db = db.min((top_db - fade_db - is_db).max(0.0));
        }
    }

    /// Limits the boost of a frame that is near the image's floor. The image contains little of it,
    /// and the model's target there is a guess.
    fn bound_quiet(&mut self, power: &[f32], above_floor_db: f32) {
        let Some(limit_db) = quiet_boost_db(above_floor_db) else { return };
        let (mut content, mut shaped) = (0.0, 0.0);
        for (p, db) in power.iter().zip(&self.bin_db) {
            content += p;
            shaped += p * exp2(db * LOG2_PER_DB);
        }
        if content > 0.0 {
            let excess_db = 10.0 * (shaped / content).log10() - limit_db;
            self.bin_db.iter_mut().for_each(|db| *db -= excess_db.max(0.0));
        }
    }

    fn linear(&self, gain: &mut [f32]) {
        for (gain, db) in gain.iter_mut().zip(&self.bin_db) {
            *gain = exp2(db * (0.5 * LOG2_PER_DB));
        }
    }
}

/// The images' values of one band in one frame.
struct Cell {
    /// Target minus content, in image values.
    rise: f32,
    /// Excess of the target's floor weight over the content's, 0 to 1.
    floor_excess: f32,
    /// The target's image value.
    target: f32,
    /// 1 if the content is at the floor, else 0.
    content_floor: f32,
}

impl Cell {
    fn from_images(images: &Images, mel: usize, frame: usize) -> Self {
        let (content, target) =
            (value(images.content, mel, frame), value(images.target, mel, frame));
        Self {
            rise: target - content,
            floor_excess: (at_floor(target) - at_floor(content)).max(0.0),
            target,
            content_floor: if content > 0.0 { 0.0 } else { 1.0 },
        }
    }
}

/// The largest boost of a frame whose loudest band is this far above the image's floor, or `None`
/// without a limit.
fn quiet_boost_db(above_floor_db: f32) -> Option<f32> {
    let [(low_db, least), (high_db, most)] = QUIET_BOOST_DB;
    let share = ((above_floor_db - low_db) / (high_db - low_db)).max(0.0);
    (share < 1.0).then(|| mix(least, most, share))
}

/// Interpolates band values to bins.
fn interpolate(bin_bands: &[(usize, f32)], bands: &[f32], mut bin: impl FnMut(usize, f32)) {
    for (k, &(lower, share)) in bin_bands.iter().enumerate() {
        bin(k, mix(bands[lower], bands[lower + 1], share));
    }
}

fn mix(a: f32, b: f32, share: f32) -> f32 {
    a + (b - a) * share
}

/// Floor weight: 1 at the floor of the image, 0 at [`FADE_IN`] and above.
fn at_floor(value: f32) -> f32 {
    (1.0 - value / FADE_IN).max(0.0)
}

/// An image value clamped to `[0, 1]`; NaN counts as the floor.
fn value(image: &MelImage, mel: usize, frame: usize) -> f32 {
    let value = image.value(mel, frame);
    if value > 0.0 { value.min(1.0) } else { 0.0 }
}

/// `2^x` for `|x| < 120`: exact at integers, otherwise with a relative error below 2e-7. A loop
/// over it vectorises.
///
/// The fraction is the Taylor series of `exp(f ln 2)` over `[-1/2, 1/2]`.
fn exp2(x: f32) -> f32 {
    let whole = (x + 12_582_912.0) - 12_582_912.0;
    let f = (x - whole) * std::f32::consts::LN_2;
    let series = 1.0
        + f * (1.0
            + f * (1.0 / 2.0
                + f * (1.0 / 6.0 + f * (1.0 / 24.0 + f * (1.0 / 120.0 + f * (1.0 / 720.0))))));
    series * f32::from_bits(((whole as i32 + 127) as u32) << 23)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fast_power_is_accurate() {
        for i in -2660..=2660 {
            let x = i as f32 * 0.01;
            assert!((exp2(x) / x.exp2() - 1.0).abs() < 5e-7, "{x}");
        }
        assert_eq!((exp2(0.0), exp2(-3.0), exp2(10.0)), (1.0, 0.125, 1024.0));
    }

    #[test]
    fn a_corrected_gain_is_near_its_target_across_steep_steps() {
        // Sparse partials and a gain that changes by 8 dB every four bands.
        let mel = MelConfig::default();
        let mut law = GainLaw::new(44_100, 4096, &mel);
        let power: Vec<f32> = (0..2049).map(|k| if k % 20 == 0 { 1e3 } else { 10.0 }).collect();
        let content = MelImage::filled(128, 1, 0.5);
        let mut target = content.clone();
        target
            .data
            .iter_mut()
            .enumerate()
            .for_each(|(m, v)| *v += if m % 8 < 4 { 0.05 } else { -0.05 });
        let mut gain = vec![0.0; 2049];
        let images = Images::new(&content, &target);
        law.shape(&images, 0.0, &power, 1.0, &mut gain);
        let shaped: Vec<f32> = power.iter().zip(&gain).map(|(p, g)| p * g * g).collect();
        let mut errors_db = Vec::new();
        let bank = MelFilterbank::with_range(44_100.0, 4096, 128, 0.0, 11_025.0);
        bank.apply(&shaped, |m, p| {
            errors_db.push((power_to_db(p, 1e-10) - law.target_db[m]).abs())
        });
        let mean_db = errors_db.iter().sum::<f32>() / 128.0;
        assert!(mean_db < 1.0, "{mean_db} dB: {errors_db:?}");
    }

    #[test]
    fn a_boost_fades_above_the_range_and_a_cut_is_constant() {
        let mut law = GainLaw::new(44_100, 4096, &MelConfig::default());
        let content = MelImage::filled(128, 1, 0.8);
        let mut gain = vec![0.0; 2049];
        for (value, at_top_db, at_end_db) in [(0.9, 8.0, 0.0), (0.7, -8.0, -8.0), (0.8, 0.0, 0.0)] {
            let target = MelImage::filled(128, 1, value);
            let images = Images::new(&content, &target);
            law.shape(&images, 0.0, &[1e3; 2049], 1.0, &mut gain);
            let db = |bin: usize| 20.0 * gain[bin].log10();
            assert!(
                (db(900) - at_top_db).abs() < 0.1 && (db(2048) - at_end_db).abs() < 0.1,
                "{value}"
            );
        }
    }

    #[test]
    fn a_constant_offset_is_not_raised() {
        let mut law = GainLaw::new(44_100, 4096, &MelConfig::default());
        let (content, target) = (MelImage::filled(128, 1, 0.8), MelImage::filled(128, 1, 0.95));
        let mut gain = vec![0.0; 2049];
        law.shape(&Images::new(&content, &target), 0.0, &[1e3; 2049], 1.0, &mut gain);
        assert!(gain[0] <= 1.0 && gain[1] <= 1.0 && gain[10] > 3.0, "{:?}", &gain[..11]);
    }

    /// The boost in dB of a frame with one loud band, for a target at full level.
    fn boost_db(band_above_floor_db: f32, window_above_floor_db: f32) -> f32 {
        let mel = MelConfig::default();
        let mut law = GainLaw::new(44_100, 4096, &mel);
        let level = |db: f32| db / mel.range_db;
        let mut content = MelImage::filled(128, 2, level(band_above_floor_db));
        content.data[0] = level(window_above_floor_db);
        let bank = MelFilterbank::with_range(44_100.0, 4096, 128, 0.0, 11_025.0);
        let (mut unit, mut power) = (0.0f32, vec![0.0; 2049]);
        power[100] = 1.0;
        bank.apply(&power, |_, p| unit = unit.max(p));
        power[100] = 10f32.powf((mel.floor_db() + band_above_floor_db) / 10.0) / unit;
        let mut gain = vec![0.0; 2049];
        let target = MelImage::filled(128, 2, 1.0);
        law.shape(&Images::new(&content, &target), 1.0, &power, 1.0, &mut gain);
        20.0 * gain[100].log10()
    }

    #[test]
    fn a_quiet_frame_is_raised_less() {
        let boosts: Vec<f32> = [20.0, 30.0, 40.0].map(|db| boost_db(db, 70.0)).to_vec();
        assert!((boosts[0] - 2.0).abs() < 0.1, "{boosts:?}");
        assert!(boosts[0] < boosts[1] && boosts[1] < boosts[2] && boosts[2] < 26.0, "{boosts:?}");
        assert!((boost_db(50.0, 70.0) - 30.0).abs() < 3.0, "{}", boost_db(50.0, 70.0));
    }

    #[test]
    fn a_quiet_window_is_raised_less() {
        let (loud, quiet) = (boost_db(40.0, 70.0), boost_db(40.0, 40.0));
        assert!(loud > 15.0 && (quiet - 2.0).abs() < 0.1, "{loud} {quiet}");
    }
}
