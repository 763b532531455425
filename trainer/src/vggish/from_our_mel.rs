//! Approximates VGGish's examples from our log-mel image with fixed, differentiable operations.

use candle_core::{Device, Tensor};
use engine::Result;
use engine::config::MelConfig;
use engine::dsp::mel::{MelFilterbank, hz_to_mel, mel_to_hz};
use engine::dsp::window::hann_periodic;

use super::front_end::{
    BINS, HOP_SAMPLES, LOG_OFFSET, WINDOW_SAMPLES, band_weights, bin_hz, response, window,
};
use super::{BANDS, FRAMES, RATE_HZ};

/// Mean magnitude of the 25 ms frames inside one of our 93 ms frames, divided by the square root of
/// the mean power. Stationary noise has `sqrt(pi) / 2` = 0.89; onsets and decays lower it.
/// `docs/decisions/036-vggish-from-our-mel.md` contains the measurement.
const MEAN_MAGNITUDE: f64 = 0.7;
/// Distance from a tone beyond which the window's response is negligible (-70 dB).
const LOBE_HZ: f64 = 500.0;
/// Image values are clamped to this range: from silence to a power that is finite.
const CLAMP: [f64; 2] = [-1.0, 2.0];
/// Keeps the slope of the square root finite.
const POWER_FLOOR: f64 = 1e-12;
/// Frames that the examples may leave out, in total (a window of 3 s leaves out 2 x 3). With more,
/// another example is added.
const SKIPPED_FRAMES_MAX: usize = 9;

/// The map for images of one [`MelConfig`].
///
/// The image's dB values are converted to mel power. VGGish's shorter window spreads the power of
/// each of our bands over its 257 frequencies. Their magnitudes are summed in VGGish's bands.
/// `log(mel + 0.01)` is interpolated linearly from our frames (23.2 ms) to VGGish's frames (10 ms).
///
/// Our 93 ms frames do not contain the detail of 25 ms frames, so onsets are softer than in
/// VGGish's own front end. `tests/reference/vggish.rs` checks the error, and
/// `docs/decisions/036-vggish-from-our-mel.md` contains the measurement.
pub struct FromOurMel {
    mel: MelConfig,
    device: Device,
    /// Power of our bands to power at VGGish's frequencies, `(n_mels, 257)`.
    smear: Tensor,
    /// Magnitudes to VGGish's bands, `(257, 64)`.
    bands: Tensor,
}

impl FromOurMel {
    /// Computes the matrices.
    ///
    /// # Errors
    /// If the device fails.
    pub fn new(mel: &MelConfig, device: &Device) -> Result<Self> {
        Ok(Self {
            smear: Tensor::from_vec(smear(mel), (mel.n_mels, BINS), device)?,
            bands: Tensor::from_vec(band_weights(), (BINS, BANDS), device)?
                .affine(MEAN_MAGNITUDE, 0.0)?,
            mel: mel.clone(),
            device: device.clone(),
        })
    }

    /// Log-mel frames: `image (B, n_mels, T, 1)` -> `(B, F, 64)`.
    ///
    /// Frame `j` is centred at `12.5 + 10 j` ms, like in audio that starts at the centre of our
    /// first frame. `F` is the number of frames between our first and our last frame.
    ///
    /// # Errors
    /// If the image's number of bands differs from the config.
    pub fn log_mel(&self, image: &Tensor) -> Result<Tensor> {
        let (b, n_mels, t, _) = image.dims4()?;
        if n_mels != self.mel.n_mels {
            let expected = format!("{} mel bands", self.mel.n_mels);
            return Err(engine::Error::invalid("image of the feature loss", expected, n_mels));
        }
        let nepers = std::f64::consts::LN_10 / 10.0;
        let [low, high] = CLAMP;
        let frames = image.clamp(low, high)?.squeeze(3)?.transpose(1, 2)?.contiguous()?;
        let power = frames
            .reshape((b * t, n_mels))?
            .affine(f64::from(self.mel.range_db) * nepers, f64::from(self.mel.floor_db()) * nepers)?
            .exp()?;
        let magnitude = power.matmul(&self.smear)?.affine(1.0, POWER_FLOOR)?.sqrt()?;
        let log = magnitude.matmul(&self.bands)?.affine(1.0, LOG_OFFSET)?.log()?;
        let columns =
            log.reshape((b, t, BANDS))?.transpose(1, 2)?.contiguous()?.reshape((b * BANDS, t))?;
        let (weights, count) = self.interpolation(t);
        let weights = Tensor::from_vec(weights, (t, count), &self.device)?;
        Ok(columns.matmul(&weights)?.reshape((b, BANDS, count))?.transpose(1, 2)?.contiguous()?)
    }

    /// Evenly spaced examples of an image: `(B, n_mels, T, 1)` -> `(B, N, 96, 64)`.
    ///
    /// An image of less than 0.96 s is one example, padded with silence.
    ///
    /// # Errors
    /// As [`FromOurMel::log_mel`].
    pub fn examples(&self, image: &Tensor) -> Result<Tensor> {
        let mut log_mel = self.log_mel(image)?;
        let (b, frames, _) = log_mel.dims3()?;
        if frames < FRAMES {
            let silence =
                Tensor::full(LOG_OFFSET.ln() as f32, (b, FRAMES - frames, BANDS), &self.device)?;
            log_mel = Tensor::cat(&[log_mel, silence], 1)?;
        }
        let examples = starts(frames).into_iter().map(|start| log_mel.narrow(1, start, FRAMES));
        Ok(Tensor::stack(&examples.collect::<candle_core::Result<Vec<_>>>()?, 1)?)
    }

    /// Interpolation weights of our `t` frames in each of VGGish's, `[t][count]`, and their count.
    fn interpolation(&self, t: usize) -> (Vec<f32>, usize) {
        let seconds = |samples: usize| samples as f64 / f64::from(RATE_HZ);
        let frame_s = self.mel.hop_length as f64 / f64::from(self.mel.sample_rate_hz);
        let position =
            |j: usize| (seconds(WINDOW_SAMPLES) / 2.0 + seconds(HOP_SAMPLES) * j as f64) / frame_s;
        let count = (0..).take_while(|&j| position(j) <= t.saturating_sub(1) as f64).count().max(1);
        let mut weights = vec![0.0; t * count];
        for j in 0..count {
            let left = (position(j) as usize).min(t.saturating_sub(2));
            let right = (left + 1).min(t - 1);
            let share = (position(j) - left as f64).clamp(0.0, 1.0) as f32;
            weights[left * count + j] += 1.0 - share;
            weights[right * count + j] += share;
        }
        (weights, count)
    }
}

/// Power at VGGish's frequencies for power 1 in each of our bands, `[n_mels][257]`.
///
/// A band of power 1 represents sound with the shape and the width of its triangle. Its energy is
/// `width / 2 / (bin width)` bins, each `n_fft * sum(window^2)` for a tone of amplitude 2
/// (Parseval). Each of these tones is filtered by the response of VGGish's window.
fn smear(mel: &MelConfig) -> Vec<f32> {
    let (rate_hz, n_fft) = (f64::from(mel.sample_rate_hz), mel.n_fft as f64);
    let filterbank = MelFilterbank::new(mel.sample_rate_hz as f32, mel.n_fft, mel.n_mels);
    let (triangles, bins, window) = (filterbank.weights(), filterbank.bins(), window());
    let window_energy: f64 = hann_periodic(mel.n_fft).iter().map(|w| f64::from(*w).powi(2)).sum();
    let corner_hz =
        |i: usize| mel_to_hz(hz_to_mel(rate_hz / 2.0) * i as f64 / (mel.n_mels + 1) as f64);
    let mut smear = vec![0.0; mel.n_mels * BINS];
    for (m, (row, triangle)) in
        smear.chunks_exact_mut(BINS).zip(triangles.chunks_exact(bins)).enumerate()
    {
        let area: f64 = triangle.iter().map(|w| f64::from(*w)).sum();
        let energy = (corner_hz(m + 2) - corner_hz(m)) / 2.0 / (n_fft * window_energy);
        for (k, value) in row.iter_mut().enumerate() {
            let contribution = |(i, &w): (usize, &f32)| {
                let distance_hz = bin_hz(k) - i as f64 * rate_hz / n_fft;
                let near = w > 0.0 && distance_hz.abs() < LOBE_HZ;
                if near { f64::from(w) * response(&window, distance_hz).powi(2) } else { 0.0 }
            };
            let sum: f64 = triangle.iter().enumerate().map(contribution).sum();
            // A band narrower than the bin spacing has no triangle and no power.
            *value = if area > 0.0 { (sum / area * energy) as f32 } else { 0.0 };
        }
    }
    smear
}

/// First frames of the examples of `frames` frames.
fn starts(frames: usize) -> Vec<usize> {
    let count = frames.saturating_sub(SKIPPED_FRAMES_MAX).div_ceil(FRAMES).max(1);
    let room = frames.saturating_sub(FRAMES);
    match count {
        1 => vec![room / 2],
        _ => (0..count).map(|i| i * room / (count - 1)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_evenly_spaced_and_skip_few_frames() {
        assert_eq!(starts(20), [0]);
        assert_eq!(starts(96), [0]);
        assert_eq!(starts(105), [4]);
        assert_eq!(starts(106), [0, 10]);
        assert_eq!(starts(294), [0, 99, 198]);
        for frames in 96..1000 {
            let starts = starts(frames);
            let gaps: usize =
                starts.windows(2).map(|pair| (pair[1] - pair[0]).saturating_sub(FRAMES)).sum();
            assert!(
                gaps <= SKIPPED_FRAMES_MAX && starts[starts.len() - 1] + FRAMES <= frames,
                "{frames}"
            );
        }
    }

    #[test]
    fn a_window_has_three_examples_and_a_short_image_is_padded() {
        let map = FromOurMel::new(&MelConfig::default(), &Device::Cpu).unwrap();
        let image = |t: usize| Tensor::full(0.7f32, (2, 128, t, 1), &Device::Cpu).unwrap();
        assert_eq!(map.log_mel(&image(128)).unwrap().dims(), [2, 294, 64]);
        assert_eq!(map.examples(&image(128)).unwrap().dims(), [2, 3, 96, 64]);
        for t in [1, 2, 10] {
            let example = map.examples(&image(t)).unwrap();
            assert_eq!(example.dims(), [2, 1, 96, 64]);
            let last =
                example.narrow(2, 95, 1).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert!(last.iter().all(|v| (v - 0.01f32.ln()).abs() < 1e-6));
        }
        let wrong = Tensor::zeros((1, 64, 8, 1), candle_core::DType::F32, &Device::Cpu).unwrap();
        assert!(map.log_mel(&wrong).unwrap_err().to_string().contains("128 mel bands"));
    }

    #[test]
    fn extreme_pixels_have_finite_frames() {
        let map = FromOurMel::new(&MelConfig::default(), &Device::Cpu).unwrap();
        for value in [-1e9f32, 0.0, 1e9] {
            let image = Tensor::full(value, (1, 128, 16, 1), &Device::Cpu).unwrap();
            let frames =
                map.log_mel(&image).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert!(frames.iter().all(|v| v.is_finite()), "{value}");
        }
    }
}
