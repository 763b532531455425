//! Distances of two renderings of one score.

use engine::dsp::stft::{Complex32, Stft};
use engine::image::MelImage;

/// FFT length of [`SpectralConvergence`], in samples.
const CONVERGENCE_N_FFT: usize = 1024;
/// Length of the measurement of [`level_db`].
pub const LEVEL_S: f32 = 0.1;
/// Power that keeps the level of silence finite.
const SILENCE: f64 = 1e-9;

/// Root mean square difference of two mel images in dB, over all bands and frames.
///
/// Both images are clipped at their floor. `range_db` is the range of their config.
pub fn mel_lsd_db(a: &MelImage, b: &MelImage, range_db: f32) -> f64 {
    let squares = a.data.iter().zip(&b.data).map(|(a, b)| f64::from((a - b) * range_db).powi(2));
    (squares.sum::<f64>() / a.data.len() as f64).sqrt()
}

/// Spectral convergence (Arik, Jun and Diamos 2018): the norm of the difference of two magnitude
/// spectrograms, divided by the norm of the expected one.
pub struct SpectralConvergence {
    stft: Stft,
    got: Vec<Complex32>,
    expected: Vec<Complex32>,
}

impl Default for SpectralConvergence {
    fn default() -> Self {
        let stft = Stft::new(CONVERGENCE_N_FFT, CONVERGENCE_N_FFT / 4);
        Self { stft, got: Vec::new(), expected: Vec::new() }
    }
}

impl SpectralConvergence {
    /// The distance of `got` from `expected`, over all channels.
    pub fn compare(&mut self, got: &[Vec<f32>], expected: &[Vec<f32>]) -> f64 {
        let (mut error, mut norm) = (0.0, 0.0);
        for (got, expected) in got.iter().zip(expected) {
            let frames = 1 + got.len().min(expected.len()) / self.stft.hop_length();
            self.stft.forward(got, frames, 0, &mut self.got);
            self.stft.forward(expected, frames, 0, &mut self.expected);
            for (a, b) in self.got.iter().zip(&self.expected) {
                error += f64::from(a.norm() - b.norm()).powi(2);
                norm += f64::from(b.norm_sqr());
            }
        }
        (error / norm.max(f64::MIN_POSITIVE)).sqrt()
    }
}

/// FFT lengths of [`MultiResolution`], in samples. Each hop is a quarter of it.
const RESOLUTIONS: [usize; 3] = [512, 1024, 2048];
/// Magnitudes are clipped below at this share of the largest (-80 dB).
const FLOOR: f32 = 1e-4;

/// Multi-resolution STFT distance (Yamamoto, Song and Kim 2020). It is the mean over three
/// resolutions of two terms: the spectral convergence, and the mean absolute difference of log
/// magnitudes (natural logarithm).
pub struct MultiResolution {
    stfts: Vec<Stft>,
}

impl Default for MultiResolution {
    fn default() -> Self {
        Self { stfts: RESOLUTIONS.map(|n_fft| Stft::new(n_fft, n_fft / 4)).into() }
    }
}

impl MultiResolution {
    /// The distance of `got` from `expected` after `got` is scaled to the level of `expected`; 0
    /// for the same sound at any level.
    pub fn compare(&mut self, got: &[f32], expected: &[f32]) -> f64 {
        let len = got.len().min(expected.len());
        let rms = |x: &[f32]| {
            (x[..len].iter().map(|x| f64::from(x * x)).sum::<f64>() / len as f64).sqrt()
        };
        let gain = (rms(expected) / rms(got).max(1e-12)) as f32;
        let got: Vec<f32> = got[..len].iter().map(|x| x * gain).collect();
        let count = self.stfts.len() as f64;
        self.stfts
            .iter_mut()
            .map(|stft| at_one_resolution(stft, &got, &expected[..len]))
            .sum::<f64>()
            / count
    }
}

fn at_one_resolution(stft: &mut Stft, got: &[f32], expected: &[f32]) -> f64 {
    let mut magnitudes = |signal: &[f32]| -> Vec<f32> {
        let mut spectrum = Vec::new();
        stft.forward(signal, 1 + signal.len() / stft.hop_length(), 0, &mut spectrum);
        spectrum.iter().map(|x| x.norm()).collect()
    };
    let (got, expected) = (magnitudes(got), magnitudes(expected));
    let floor = FLOOR * expected.iter().fold(f32::MIN_POSITIVE, |peak, x| peak.max(*x));
    let (mut error, mut norm, mut logs) = (0.0, 0.0, 0.0);
    for (a, b) in got.iter().zip(&expected) {
        error += f64::from(a - b).powi(2);
        norm += f64::from(b * b);
        logs += f64::from((a.max(floor) / b.max(floor)).ln().abs());
    }
    (error / norm.max(f64::MIN_POSITIVE)).sqrt() + logs / got.len().max(1) as f64
}

/// Level in dBFS of 0.1 s around `time_s`, averaged over channels.
pub fn level_db(channels: &[Vec<f32>], time_s: f32, rate_hz: u32) -> f64 {
    let sample = |s: f32| (s.max(0.0) * rate_hz as f32) as usize;
    let (from, to) = (sample(time_s - LEVEL_S / 2.0), sample(time_s + LEVEL_S / 2.0));
    let inside = channels.iter().flat_map(|c| &c[from.min(c.len())..to.min(c.len())]);
    let (sum, count) = inside.fold((0.0, 0), |(sum, n), &x| (sum + f64::from(x).powi(2), n + 1));
    10.0 * (sum / f64::from(count.max(1)) + SILENCE).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_match_their_definitions() {
        let (a, b) = (MelImage::filled(4, 3, 0.5), MelImage::filled(4, 3, 0.4));
        assert!((mel_lsd_db(&a, &b, 80.0) - 8.0).abs() < 1e-4);
        let tone: Vec<f32> = (0..22_050).map(|i| (i as f32 * 0.1).sin()).collect();
        let half: Vec<f32> = tone.iter().map(|x| x * 0.5).collect();
        let convergence = SpectralConvergence::default()
            .compare(std::slice::from_ref(&half), std::slice::from_ref(&tone));
        assert!((convergence - 0.5).abs() < 1e-3, "{convergence}");
        let mut resolutions = MultiResolution::default();
        assert!(resolutions.compare(&half, &tone) < 1e-3, "level-free");
        let other: Vec<f32> = (0..22_050).map(|i| (i as f32 * 0.2).sin()).collect();
        assert!(resolutions.compare(&other, &tone) > 1.0);
        assert!((level_db(&[tone], 0.5, 22_050) + 3.01).abs() < 0.05);
    }
}
