//! Audio to log-mel image, the networks' input.
//!
//! ```
//! use engine::config::MelConfig;
//! use engine::dsp::mel::MelFrontEnd;
//!
//! let mut front_end = MelFrontEnd::new(&MelConfig::default());
//! let tone: Vec<f32> = (0..4096).map(|n| 0.1 * (n as f32 * 0.125).sin()).collect();
//! let image = front_end.image(&[&tone], 0, 8, 1.0);
//! assert_eq!((image.n_mels, image.frames), (128, 8));
//! assert!(image.data.iter().any(|&value| value > 0.5));
//! ```

pub use super::filterbank::{MelFilterbank, hz_to_mel, mel_to_hz};
use super::stft::Stft;
use crate::config::MelConfig;
use crate::image::MelImage;

/// Smallest power that [`power_to_db`] distinguishes from silence, librosa's default.
pub const AMIN: f32 = 1e-10;

/// `10 log10(max(power, amin))`: `librosa.power_to_db(power, ref=1.0, amin=amin, top_db=None)`.
///
/// A NaN counts as silence.
pub fn power_to_db(power: f32, amin: f32) -> f32 {
    10.0 * power.max(amin).log10()
}

/// The reports' 8-bit image: dB relative to the chunk's maximum, 80 dB over 256 grey values.
///
/// `power_to_db(power, ref=np.max)`, then `clip((db + 80) * 255 / 80, 0, 255) + 0.5` truncated to a
/// byte. Computed in double precision, because single precision can round a value at the boundary
/// of two bytes to the wrong one. The shipped networks use [`MelFrontEnd::image`] instead, with a
/// fixed reference.
pub fn grayscale_chunk_max<T: Copy + Into<f64>>(power: &[T]) -> Vec<u8> {
    let db = |power: f64| 10.0 * power.max(AMIN.into()).log10();
    let reference = db(power.iter().map(|&p| p.into()).fold(0.0, f64::max));
    let gray = |power: f64| ((db(power) - reference + 80.0) * (255.0 / 80.0)).clamp(0.0, 255.0);
    power.iter().map(|&p| (gray(p.into()) + 0.5) as u8).collect()
}

impl MelConfig {
    /// The level in dB of image value 0.
    pub fn floor_db(&self) -> f32 {
        self.top_db - self.range_db
    }

    /// The level in dB of an image value.
    pub fn to_db(&self, value: f32) -> f32 {
        self.floor_db() + value * self.range_db
    }

    /// The image value, in `[0, 1]`, of a power in dB.
    pub fn from_db(&self, db: f32) -> f32 {
        ((db - self.floor_db()) / self.range_db).clamp(0.0, 1.0)
    }
}

/// STFT, filterbank and level map of one [`MelConfig`].
///
/// Frames are placed as in [`Stft`]: frame `t` is centred at `first_center + t * hop_length`.
/// Samples outside the channels are 0.
pub struct MelFrontEnd {
    config: MelConfig,
    stft: Stft,
    filterbank: MelFilterbank,
    /// Power of one frame, mean over the channels, `bins` values.
    power: Vec<f32>,
}

impl MelFrontEnd {
    /// Plans the front end of a (validated) config.
    pub fn new(config: &MelConfig) -> Self {
        let stft = Stft::new(config.n_fft, config.hop_length);
        let filterbank =
            MelFilterbank::new(config.sample_rate_hz as f32, config.n_fft, config.n_mels);
        Self { config: config.clone(), power: vec![0.0; stft.bins()], stft, filterbank }
    }

    /// The config.
    pub fn config(&self) -> &MelConfig {
        &self.config
    }

    /// The filterbank.
    pub fn filterbank(&self) -> &MelFilterbank {
        &self.filterbank
    }

    /// The log-mel image of `frames` frames of audio at the model's rate, scaled by `gain`.
    ///
    /// Power, not samples, is averaged over the channels, so that an out-of-phase pair is not
    /// silent. Without channels the image is silent.
    pub fn image(
        &mut self,
        channels: &[&[f32]],
        first_center: isize,
        frames: usize,
        gain: f32,
    ) -> MelImage {
        let mut data = self.mel_power(channels, first_center, frames, gain);
        data.iter_mut().for_each(|value| *value = self.config.from_db(power_to_db(*value, AMIN)));
        MelImage { n_mels: self.config.n_mels, frames, data }
    }

    /// The mel power behind [`MelFrontEnd::image`], `[mel * frames + frame]`.
    pub fn mel_power(
        &mut self,
        channels: &[&[f32]],
        first_center: isize,
        frames: usize,
        gain: f32,
    ) -> Vec<f32> {
        let mut out = vec![0.0; self.config.n_mels * frames];
        let scale = gain * gain / channels.len().max(1) as f32;
        for t in 0..frames {
            let center = first_center + (t * self.config.hop_length) as isize;
            self.power.fill(0.0);
            for channel in channels {
                let spectrum = self.stft.frame(channel, center);
                self.power.iter_mut().zip(spectrum).for_each(|(p, x)| *p += x.norm_sqr());
            }
            self.filterbank.apply(&self.power, |m, value| out[m * frames + t] = value * scale);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(len: usize) -> Vec<f32> {
        (0..len).map(|i| 0.1 * (i as f32 * 0.125).sin()).collect()
    }

    #[test]
    fn an_out_of_phase_pair_has_the_image_of_one_channel() {
        let mut front = MelFrontEnd::new(&MelConfig::default());
        let signal = tone(16_384);
        let inverted: Vec<f32> = signal.iter().map(|x| -x).collect();
        let mono = front.image(&[&signal], 0, 32, 1.0);
        assert_eq!(front.image(&[&signal, &inverted], 0, 32, 1.0), mono);
        assert!(mono.data.iter().any(|&v| v > 0.5));
    }

    #[test]
    fn gain_moves_the_image_by_its_decibels() {
        let mut front = MelFrontEnd::new(&MelConfig::default());
        let signal = tone(16_384);
        let (a, b) = (front.image(&[&signal], 0, 32, 1.0), front.image(&[&signal], 0, 32, 2.0));
        let band =
            (0..128).max_by(|&i, &j| a.value(i, 16).total_cmp(&a.value(j, 16))).expect("128 bands");
        let moved_db = (b.value(band, 16) - a.value(band, 16)) * front.config().range_db;
        assert!((moved_db - 6.0206).abs() < 0.01, "{moved_db}");
    }

    #[test]
    fn every_input_has_values_in_range() {
        let mut front = MelFrontEnd::new(&MelConfig::default());
        for signal in [vec![f32::NAN; 4096], vec![f32::MAX; 4096], vec![0.0; 4096], Vec::new()] {
            let image = front.image(&[&signal], 0, 8, 1.0);
            assert!(image.data.iter().all(|v| (0.0..=1.0).contains(v)), "{:?}", signal.first());
        }
        assert!(front.image(&[], 0, 8, 1.0).data.iter().all(|&v| v == 0.0));
    }

    #[test]
    fn the_map_inverts() {
        let config = MelConfig::default();
        assert_eq!((config.from_db(config.top_db), config.from_db(config.floor_db())), (1.0, 0.0));
        assert_eq!((config.from_db(1e6), config.from_db(-1e6)), (1.0, 0.0));
        assert!((config.from_db(config.to_db(0.3)) - 0.3).abs() < 1e-6);
    }
}
