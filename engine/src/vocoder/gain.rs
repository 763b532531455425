//! The gain that leads from the content's mel to the target's, on the bins of the host's STFT.

use crate::config::MelConfig;
use crate::dsp::mel::{MelFilterbank, power_to_db};
use crate::image::MelImage;

/// The most that a bin is raised.
pub const MAX_BOOST_DB: f32 = 60.0;
/// The most that a bin is lowered.
pub const MAX_CUT_DB: f32 = 80.0;
/// How often the gain is corrected until its result, analysed again, has the wanted mel.
pub const CORRECTIONS: usize = 4;
/// The most that one correction moves a band.
const CORRECTION_STEP_DB: f32 = 20.0;
/// Image values above the floor over which a target that the content is silent under fades in: what a decoder
/// writes for silence is not exactly 0.
const FADE_IN: f32 = 0.04;
/// How much further a band is lowered where the target is at its floor: the floor means "this or less", and at
/// 75 dB below a loud tone a steady rest could still be heard in a pause.
const FLOOR_CUT_DB: f32 = 20.0;
/// Mel power, as analysed for the images, below which a band is silent and nothing is asked of it.
const SILENCE: f32 = 1e-10;
/// What a correction tells from silence: 20 dB below the floor of the default image.
const CORRECTION_FLOOR_DB: f32 = -60.0;
/// Powers of two a decibel of power: `log2(10) / 10`.
const LOG2_PER_DB: f32 = std::f32::consts::LOG2_10 / 10.0;

/// The pair of images of one window, and where they lie.
#[derive(Clone, Copy)]
pub struct Images<'a> {
    /// What sounds.
    pub content: &'a MelImage,
    /// What shall sound.
    pub target: &'a MelImage,
    /// Linear gain at which both were analysed.
    pub gain: f32,
}

/// The gain law of one host rate and mel config, with its scratch.
pub struct GainLaw {
    mel: MelConfig,
    bank: MelFilterbank,
    /// Each bin's place between two band centres: the lower band and the share of the upper.
    places: Vec<(usize, f32)>,
    /// `(model n_fft / host n_fft)^2`: a windowed sum grows with the window, in tones and in noise alike.
    scale: f32,
    wanted_db: Vec<f32>,
    band_db: Vec<f32>,
    shaped: Vec<f32>,
    bin_db: Vec<f32>,
}

impl GainLaw {
    /// The law for host spectra of `n_fft / 2 + 1` bins.
    pub fn new(host_rate_hz: u32, n_fft: usize, mel: &MelConfig) -> Self {
        let max_hz = mel.sample_rate_hz as f32 / 2.0;
        let bank = MelFilterbank::with_range(host_rate_hz as f32, n_fft, mel.n_mels, 0.0, max_hz);
        let last = mel.n_mels.saturating_sub(2);
        let place = |position: f32| {
            let lower = (position as usize).min(last);
            (lower, position - lower as f32)
        };
        Self {
            places: bank.bin_positions().into_iter().map(place).collect(),
            scale: (mel.n_fft as f32 / n_fft as f32).powi(2),
            wanted_db: vec![0.0; mel.n_mels],
            band_db: vec![0.0; mel.n_mels],
            shaped: vec![0.0; bank.bins()],
            bin_db: vec![0.0; bank.bins()],
            mel: mel.clone(),
            bank,
        }
    }

    /// The linear gain of every bin (`out`) of one host frame.
    ///
    /// `power` is the frame's power spectrum (mean over channels); `position` is its centre in frames of
    /// the images, held at their ends.
    ///
    /// # Panics
    /// If `power` or `out` has not one value a bin.
    pub fn frame(&mut self, images: &Images, position: f64, power: &[f32], out: &mut [f32]) {
        let analysis = self.scale * images.gain * images.gain;
        self.bank.apply(power, |m, p| self.band_db[m] = power_to_db(p * analysis, SILENCE));
        self.want(images, position);
        spread(&self.places, &self.wanted_db, |bin, db| self.bin_db[bin] = db);
        // What the bands shall become, from what they shall gain.
        self.wanted_db.iter_mut().zip(&self.band_db).for_each(|(wanted, is)| *wanted += is);
        for _ in 0..CORRECTIONS {
            self.correct(power, analysis);
        }
        for (gain, db) in out.iter_mut().zip(&self.bin_db) {
            *gain = (db * (0.5 * LOG2_PER_DB)).exp2();
        }
    }

    /// Every band's wanted gain in dB into `wanted_db`.
    ///
    /// Where the content is above the floor of its image, the gain is the difference of the images. Where it
    /// is not, the image does not say how far below it lies, but the host's own analysis does.
    fn want(&mut self, images: &Images, position: f64) {
        let (content, target) = (images.content, images.target);
        let last = content.frames.saturating_sub(1);
        let at = position.clamp(0.0, last as f64);
        let (left, share) = (at as usize, at.fract() as f32);
        let right = (left + 1).min(last);
        for (m, wanted) in self.wanted_db.iter_mut().enumerate() {
            let one = |frame: usize| {
                let (c, t) = (value(content, m, frame), value(target, m, frame));
                let floored = (at_floor(t) - at_floor(c)).max(0.0);
                let relative_db = (t - c) * self.mel.range_db - FLOOR_CUT_DB * floored;
                let unknown = if c > 0.0 { 0.0 } else { 1.0 };
                (relative_db, t, unknown)
            };
            let ((rel_a, t_a, un_a), (rel_b, t_b, un_b)) = (one(left), one(right));
            let lerp = |a: f32, b: f32| a + (b - a) * share;
            let (relative_db, t, unknown) = (lerp(rel_a, rel_b), lerp(t_a, t_b), lerp(un_a, un_b));
            let absolute_db = (self.mel.to_db(t) - self.band_db[m]) * (1.0 - at_floor(t));
            let gain_db =
                if unknown > 0.0 { lerp_by(relative_db, absolute_db, unknown) } else { relative_db };
            *wanted = gain_db.clamp(-MAX_CUT_DB, MAX_BOOST_DB);
        }
    }

    /// Moves `bin_db` so that the shaped spectrum comes nearer to the wanted mel: interpolation between bands
    /// lets a loud partial of one band leak into its neighbour's sum.
    fn correct(&mut self, power: &[f32], analysis: f32) {
        for ((shaped, p), db) in self.shaped.iter_mut().zip(power).zip(&self.bin_db) {
            *shaped = p * (db * LOG2_PER_DB).exp2();
        }
        let (wanted_db, band_db) = (&self.wanted_db, &mut self.band_db);
        self.bank.apply(&self.shaped, |m, p| {
            let is_db = power_to_db(p * analysis, SILENCE);
            let missing_db = wanted_db[m].max(CORRECTION_FLOOR_DB) - is_db.max(CORRECTION_FLOOR_DB);
            let heard = p * analysis > SILENCE;
            band_db[m] = if heard { missing_db.clamp(-CORRECTION_STEP_DB, CORRECTION_STEP_DB) } else { 0.0 };
        });
        let bin_db = &mut self.bin_db;
        spread(&self.places, &self.band_db, |bin, db| {
            bin_db[bin] = (bin_db[bin] + db).clamp(-MAX_CUT_DB, MAX_BOOST_DB);
        });
    }
}

/// Interpolates band values to bins.
fn spread(places: &[(usize, f32)], bands: &[f32], mut bin: impl FnMut(usize, f32)) {
    for (k, &(lower, share)) in places.iter().enumerate() {
        bin(k, lerp_by(bands[lower], bands[lower + 1], share));
    }
}

fn lerp_by(a: f32, b: f32, share: f32) -> f32 {
    a + (b - a) * share
}

/// 1 at the floor of the image, 0 from [`FADE_IN`] up.
fn at_floor(value: f32) -> f32 {
    (1.0 - value / FADE_IN).max(0.0)
}

/// An image value in `[0, 1]`; what is not a number counts as the floor.
fn value(image: &MelImage, mel: usize, frame: usize) -> f32 {
    let value = image.at(mel, frame);
    if value > 0.0 { value.min(1.0) } else { 0.0 }
}
