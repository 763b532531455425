//! VGGish's front end for audio, like torchvggish's `mel_features.py`.

use std::f64::consts::TAU;
use std::sync::Arc;

use engine::dsp::window::hann_periodic;
use realfft::num_complex::Complex32;
use realfft::{RealFftPlanner, RealToComplex};

use super::{BANDS, FRAMES, RATE_HZ};

/// Samples of a frame: 25 ms.
pub(super) const WINDOW_SAMPLES: usize = 400;
/// Samples from one frame to the next: 10 ms.
pub(super) const HOP_SAMPLES: usize = 160;
/// Length of the Fourier transform; frames are padded with zeros.
pub(super) const FFT_SAMPLES: usize = 512;
/// Frequencies of a spectrum.
pub(super) const BINS: usize = FFT_SAMPLES / 2 + 1;
/// Lower edge of the lowest and upper edge of the highest band.
const RANGE_HZ: [f64; 2] = [125.0, 7500.0];
/// Keeps the logarithm of silence finite.
pub(super) const LOG_OFFSET: f64 = 0.01;

/// Converts hertz to HTK's mel scale.
fn hz_to_mel(hz: f64) -> f64 {
    1127.0 * (1.0 + hz / 700.0).ln()
}

/// The frequency of a spectrum's bin.
pub(super) fn bin_hz(bin: usize) -> f64 {
    bin as f64 * f64::from(RATE_HZ) / FFT_SAMPLES as f64
}

/// Triangular band weights of height 1, `[bin][band]`. They are evenly spaced and piecewise linear
/// on HTK's mel scale.
///
/// The bin of 0 Hz has weight 0.
pub(super) fn band_weights() -> Vec<f32> {
    let [low, high] = RANGE_HZ.map(hz_to_mel);
    let step = (high - low) / (BANDS + 1) as f64;
    let weight = |bin: usize, band: usize| {
        let position = (hz_to_mel(bin_hz(bin)) - low) / step - band as f64;
        position.min(2.0 - position).max(0.0) as f32
    };
    let row =
        |bin: usize| (0..BANDS).map(move |band| if bin == 0 { 0.0 } else { weight(bin, band) });
    (0..BINS).flat_map(row).collect()
}

/// The analysis window.
pub(super) fn window() -> Vec<f32> {
    hann_periodic(WINDOW_SAMPLES)
}

/// Magnitude of a tone of amplitude 2 in the window's spectrum, `distance_hz` away from its
/// frequency.
pub(super) fn response(window: &[f32], distance_hz: f64) -> f64 {
    let radians = TAU * distance_hz / f64::from(RATE_HZ);
    let middle = window.len() as f64 / 2.0;
    let terms = window.iter().enumerate();
    terms.map(|(i, &w)| f64::from(w) * (radians * (i as f64 - middle)).cos()).sum::<f64>().abs()
}

/// VGGish's analysis: `log(mel magnitude + 0.01)` of 25 ms frames every 10 ms, cut into examples.
pub struct FrontEnd {
    window: Vec<f32>,
    bands: Vec<f32>,
    to_spectrum: Arc<dyn RealToComplex<f32>>,
    frame: Vec<f32>,
    spectrum: Vec<Complex32>,
}

impl Default for FrontEnd {
    fn default() -> Self {
        let to_spectrum = RealFftPlanner::new().plan_fft_forward(FFT_SAMPLES);
        Self {
            window: window(),
            bands: band_weights(),
            frame: to_spectrum.make_input_vec(),
            spectrum: to_spectrum.make_output_vec(),
            to_spectrum,
        }
    }
}

impl FrontEnd {
    /// Log-mel frames of a mono signal at 16 kHz, full scale 1, row-major `[frame][band]`.
    ///
    /// Frame `t` contains the samples `160 t` to `160 t + 400`. An incomplete last frame is left
    /// out.
    pub fn log_mel(&mut self, signal: &[f32]) -> Vec<f32> {
        let frames = signal.windows(WINDOW_SAMPLES).step_by(HOP_SAMPLES);
        frames.flat_map(|samples| self.frame_bands(samples)).collect()
    }

    /// The complete examples of a mono signal at 16 kHz, row-major `[example][96][64]`. An
    /// incomplete last example is left out.
    pub fn examples(&mut self, signal: &[f32]) -> Vec<f32> {
        let mut log_mel = self.log_mel(signal);
        log_mel.truncate(log_mel.len() / (FRAMES * BANDS) * (FRAMES * BANDS));
        log_mel
    }

    fn frame_bands(&mut self, samples: &[f32]) -> [f32; BANDS] {
        self.frame.fill(0.0);
        let windowed = samples.iter().zip(&self.window).map(|(x, w)| x * w);
        self.frame.iter_mut().zip(windowed).for_each(|(to, x)| *to = x);
        self.to_spectrum
            .process(&mut self.frame, &mut self.spectrum)
            .expect("buffers of this plan");
        let mut mel = [0.0; BANDS];
        for (bin, weights) in self.spectrum.iter().zip(self.bands.chunks_exact(BANDS)) {
            let magnitude = bin.norm();
            mel.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += weight * magnitude);
        }
        mel.map(|sum| (sum + LOG_OFFSET as f32).ln())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_complete_frames_and_examples_are_returned() {
        let mut front_end = FrontEnd::default();
        let frames = |len: usize| FrontEnd::default().log_mel(&vec![0.1; len]).len() / BANDS;
        assert_eq!([0, 399, 400, 559, 560].map(frames), [0, 0, 1, 1, 2]);
        let one_example = (FRAMES - 1) * HOP_SAMPLES + WINDOW_SAMPLES;
        assert!(front_end.examples(&vec![0.0; one_example - 1]).is_empty());
        let silence = front_end.examples(&vec![0.0; one_example]);
        assert_eq!(silence.len(), FRAMES * BANDS);
        assert!(silence.iter().all(|v| (v - (LOG_OFFSET as f32).ln()).abs() < 1e-6));
    }

    #[test]
    fn a_tone_is_within_the_main_lobe_of_the_window() {
        assert!((response(&window(), 0.0) - 200.0).abs() < 1e-3);
        assert!(response(&window(), 80.0) < 1e-3, "the first zero of a Hann window of 25 ms");
    }
}
