//! Magnitude spectra for measuring.

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

/// A stretch of a signal under a Hann window, to be asked for the amplitude of any frequency.
pub struct Stretch {
    windowed: Vec<f64>,
    norm: f64,
}

impl Stretch {
    /// `signal[start..start + len]`; samples outside the signal are 0.
    pub fn new(signal: &[f32], start: isize, len: usize) -> Self {
        let sample = |n: usize| {
            let position = usize::try_from(start + n as isize).ok();
            position.and_then(|p| signal.get(p)).copied().map_or(0.0, f64::from)
        };
        let hann = |n: usize| 0.5 - 0.5 * (TAU * n as f64 / len as f64).cos();
        let windowed = (0..len).map(|n| sample(n) * hann(n)).collect();
        Self { windowed, norm: len as f64 / 2.0 }
    }

    /// The amplitude of a frequency in cycles a sample: a sinusoid of amplitude `a` has about `a`.
    pub fn amplitude(&self, frequency: f64) -> f64 {
        // The phasor turns by multiplication: a cosine for each sample would cost ten times as
        // much.
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
    fn a_sinusoid_has_its_amplitude_and_nothing_beside_it() {
        let signal: Vec<f32> =
            (0..8192).map(|n| 0.3 * (TAU * 0.05 * f64::from(n)).sin() as f32).collect();
        let stretch = Stretch::new(&signal, 1000, 4096);
        assert!((stretch.amplitude(0.05) - 0.3).abs() < 1e-3);
        assert!(stretch.amplitude(0.06) < 1e-3);
    }
}
