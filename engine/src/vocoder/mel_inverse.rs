//! From mel power back to magnitudes of the linear STFT.

use crate::config::MelConfig;
use crate::dsp::mel::MelFilterbank;
use crate::image::MelImage;

/// Updates after which the mel of the answer is within 0.2 dB of what was asked; 24 leave 4 dB in
/// narrow low bands.
const UPDATES: usize = 100;

/// Keeps ratios finite; below the image's floor by orders of magnitude.
const TINY: f32 = 1e-12;

/// Non-negative magnitudes (`[frame][bin]`, `n_fft / 2 + 1` bins) whose mel image is `image`.
///
/// Many spectra have the same mel; this is the smooth one that multiplicative updates for the
/// Kullback-Leibler distance (Lee and Seung 2001) reach from a flat start. librosa's `mel_to_stft`
/// minimises the squared error instead and so cares for loud bands only.
///
/// # Panics
/// If `image` has not `mel.n_mels` bands.
pub fn mel_to_magnitude(image: &MelImage, mel: &MelConfig) -> Vec<f32> {
    assert_eq!(image.n_mels, mel.n_mels, "bands of the image");
    let inverse = MelInverse::new(mel);
    let mut out = Vec::with_capacity(image.frames * inverse.bins);
    let mut wanted = vec![0.0; mel.n_mels];
    for frame in 0..image.frames {
        for (m, power) in wanted.iter_mut().enumerate() {
            let value = image.value(m, frame);
            *power = if value > 0.0 { 10f32.powf(mel.to_db(value) / 10.0) } else { 0.0 };
        }
        out.extend(inverse.power(&wanted).into_iter().map(f32::sqrt));
    }
    out
}

/// A filterbank and what its transpose needs.
struct MelInverse {
    bank: MelFilterbank,
    bins: usize,
    /// The dense matrix by columns: the bands (at most two) that read each bin.
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
    fn power(&self, wanted: &[f32]) -> Vec<f32> {
        let mut power = vec![1.0; self.bins];
        let mut ratio = vec![0.0; wanted.len()];
        for _ in 0..UPDATES {
            self.bank.apply(&power, |m, got| ratio[m] = wanted[m] / (got + TINY));
            for (p, column) in power.iter_mut().zip(&self.columns) {
                let total: f32 = column.iter().map(|(_, w)| w).sum();
                let pull: f32 = column.iter().map(|&(m, w)| w * ratio[m]).sum();
                *p *= if total > 0.0 { pull / total } else { 0.0 };
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
    fn the_mel_of_the_answer_is_the_mel_that_was_asked() {
        let config = MelConfig::default();
        let tone = |i: usize| 0.1 * (i as f32 * 0.0627).sin() + 0.05 * (i as f32 * 0.391).sin();
        let signal: Vec<f32> = (0..8192).map(tone).collect();
        let image = MelFrontEnd::new(&config).image(&[&signal], 2048, 4, 1.0);
        let magnitude = mel_to_magnitude(&image, &config);
        let bank = MelFilterbank::new(22_050.0, 2048, 128);
        for (t, frame) in magnitude.chunks_exact(1025).enumerate() {
            let power: Vec<f32> = frame.iter().map(|x| x * x).collect();
            bank.apply(&power, |m, got| {
                // The quiet ones converge later and are inaudible beside their neighbours.
                if image.value(m, t) > 0.4 {
                    let error_db = power_to_db(got, 1e-10) - config.to_db(image.value(m, t));
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
