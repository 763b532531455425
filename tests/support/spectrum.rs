//! Magnitude spectra.

use std::f64::consts::TAU;

use engine::dsp::stft::Stft;

/// Magnitudes `[frame][bin]` of a signal; frame `t` is centred at sample `t * hop`.
pub fn magnitudes(signal: &[f32], n_fft: usize, hop: usize) -> Vec<Vec<f32>> {
    let mut stft = Stft::new(n_fft, hop);
    let frames = 1 + signal.len() / hop;
    (0..frames)
        .map(|frame| {
            stft.frame(signal, (frame * hop) as isize).iter().map(|bin| bin.norm()).collect()
        })
        .collect()
}

/// A section of a signal with a Hann window, which returns the amplitude at any frequency.
pub struct Section {
    windowed: Vec<f64>,
    norm: f64,
}

impl Section {
    /// The section `signal[start..start + len]`. Samples outside the signal are 0.
    pub fn new(signal: &[f32], start: isize, len: usize) -> Self {
        let sample = |n: usize| {
            let position = usize::try_from(start + n as isize).ok();
            position.and_then(|p| signal.get(p)).copied().map_or(0.0, f64::from)
        };
        let hann = |n: usize| 0.5 - 0.5 * (TAU * n as f64 / len as f64).cos();
        let windowed = (0..len).map(|n| sample(n) * hann(n)).collect();
        Self { windowed, norm: len as f64 / 2.0 }
    }

    /// The amplitude at a frequency in cycles per sample. For a sinusoid of amplitude `a` it is
    /// about `a`.
    pub fn amplitude(&self, frequency: f64) -> f64 {
        // Rotating a phasor is faster than one cosine per sample.
        let (step_im, step_re) = (TAU * frequency).sin_cos();
        let (mut re, mut im, mut turn_re, mut turn_im) = (0.0, 0.0, 1.0, 0.0);
        for x in &self.windowed {
            re += x * turn_re;
            im += x * turn_im;
            (turn_re, turn_im) =
                (turn_re * step_re - turn_im * step_im, turn_re * step_im + turn_im * step_re);
        }
        f64::hypot(re, im) * 2.0 / self.norm
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sinusoid_has_its_amplitude_at_its_frequency_only() {
        let signal: Vec<f32> =
            (0..8192).map(|n| 0.3 * (TAU * 0.05 * f64::from(n)).sin() as f32).collect();
        let section = Section::new(&signal, 1000, 4096);
        assert!((section.amplitude(0.05) - 0.3).abs() < 1e-3);
        assert!(section.amplitude(0.06) < 1e-3);
    }
}
