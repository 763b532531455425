//! From mel power back to magnitudes of the linear STFT.
//!
//! ```
//! use engine::config::MelConfig;
//! use engine::image::MelImage;
//! use engine::vocoder::mel_inverse::mel_to_magnitude;
//!
//! let mel = MelConfig { n_fft: 256, n_mels: 16, ..MelConfig::default() };
//! let magnitude = mel_to_magnitude(&MelImage::filled(16, 2, 0.5), &mel);
//! assert_eq!(magnitude.len(), 2 * 129);
//! assert!(magnitude.iter().all(|&m| m >= 0.0));
//! ```

use crate::config::MelConfig;
use crate::dsp::mel::MelFilterbank;
use crate::image::MelImage;

/// Number of updates; see `docs/decisions/001-content-guided-vocoder.md`.
const UPDATES: usize = 100;

/// Prevents division by 0; orders of magnitude below the image's floor.
const TINY: f32 = 1e-12;

/// Non-negative magnitudes (`[frame][bin]`, `n_fft / 2 + 1` bins) with the mel image `image`.
///
/// Many spectra have the same mel. This one is smooth, because the multiplicative updates
/// (Kullback-Leibler divergence, Lee and Seung 2001) start from a flat spectrum. In contrast,
/// `mel_to_stft` of librosa minimises the squared error, which fits only loud bands well.
///
/// # Panics
/// If `image` does not have `mel.n_mels` bands.
pub fn mel_to_magnitude(image: &MelImage, mel: &MelConfig) -> Vec<f32> {
    assert_eq!(image.n_mels, mel.n_mels, "bands of the image");
    let inverse = MelInverse::new(mel);
    let mut out = Vec::with_capacity(image.frames * inverse.bins);
    let mut target = vec![0.0; mel.n_mels];
    for frame in 0..image.frames {
        for (m, power) in target.iter_mut().enumerate() {
            let value = image.value(m, frame);
            *power = if value > 0.0 { 10f32.powf(mel.to_db(value) / 10.0) } else { 0.0 };
        }
        out.extend(inverse.power(&target).into_iter().map(f32::sqrt));
    }
    out
}

/// A filterbank and the columns of its matrix.
struct MelInverse {
    bank: MelFilterbank,
    bins: usize,
    /// The weights of each bin in its bands, of which there are at most two.
    columns: Vec<Vec<(usize, f32)>>,
}

impl MelInverse {
    fn new(mel: &MelConfig) -> Self {
        let bank = MelFilterbank::new(mel.sample_rate_hz as f32, mel.n_fft, mel.n_mels);
        let (bins, dense) = (bank.bins(), bank.weights());
        let column = |k: usize| {
            let weights = (0..mel.n_mels).map(|m| (m, dense[m * bins + k]));
            weights.filter(|(_, w)| *w > 0.0).collect()
        };
        Self { columns: (0..bins).map(column).collect(), bins, bank }
    }

    /// The power spectrum of one frame.
    fn power(&self, target: &[f32]) -> Vec<f32> {
        let mut power = vec![1.0; self.bins];
        let mut ratio = vec![0.0; target.len()];
        for _ in 0..UPDATES {
            self.bank.apply(&power, |m, mel| ratio[m] = target[m] / (mel + TINY));
            for (p, column) in power.iter_mut().zip(&self.columns) {
                let total: f32 = column.iter().map(|(_, w)| w).sum();
                let weighted: f32 = column.iter().map(|&(m, w)| w * ratio[m]).sum();
                *p *= if total > 0.0 { weighted / total } else { 0.0 };
            }
        }
        power
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::mel::{MelFrontEnd, power_to_db};

    #[test]
    fn the_mel_of_the_result_is_the_given_mel() {
        let config = MelConfig::default();
        let tone = |i: usize| 0.1 * (i as f32 * 0.0627).sin() + 0.05 * (i as f32 * 0.391).sin();
        let signal: Vec<f32> = (0..8192).map(tone).collect();
        let image = MelFrontEnd::new(&config).image(&[&signal], 2048, 4, 1.0);
        let magnitude = mel_to_magnitude(&image, &config);
        let bank = MelFilterbank::new(22_050.0, 2048, 128);
        for (t, frame) in magnitude.chunks_exact(1025).enumerate() {
            let power: Vec<f32> = frame.iter().map(|x| x * x).collect();
            bank.apply(&power, |m, mel_power| {
                // Quiet bands converge later and are masked by their neighbours.
                if image.value(m, t) > 0.4 {
                    let error_db = power_to_db(mel_power, 1e-10) - config.to_db(image.value(m, t));
                    assert!(error_db.abs() < 0.5, "band {m} frame {t}: {error_db} dB");
                }
            });
        }
    }

    #[test]
    fn the_floor_is_silence() {
        let config = MelConfig::default();
        assert!(
            mel_to_magnitude(&MelImage::filled(128, 3, 0.0), &config).iter().all(|&x| x == 0.0)
        );
    }
}
