//! The Slaney mel scale and librosa's triangular mel filterbank.
//!
//! ```
//! use engine::dsp::filterbank::{MelFilterbank, hz_to_mel, mel_to_hz};
//!
//! assert!((hz_to_mel(1000.0) - 15.0).abs() < 1e-9);
//! assert!((mel_to_hz(hz_to_mel(440.0)) - 440.0).abs() < 1e-9);
//!
//! let bank = MelFilterbank::new(22_050.0, 2048, 128);
//! assert_eq!((bank.bins(), bank.n_mels()), (1025, 128));
//! ```

/// Slaney's scale is linear below this frequency and logarithmic above.
const BREAK_HZ: f64 = 1000.0;
/// Hertz per mel in the linear part.
const HZ_PER_MEL: f64 = 200.0 / 3.0;
/// The break frequency in mel.
const BREAK_MEL: f64 = BREAK_HZ / HZ_PER_MEL;
/// Natural logarithm of the frequency ratio of one mel in the logarithmic part: 27 mel are a factor
/// of 6.4.
fn log_step() -> f64 {
    6.4f64.ln() / 27.0
}

/// Hertz to mel on the scale of Slaney's Auditory Toolbox (librosa's `hz_to_mel(htk=False)`).
pub fn hz_to_mel(hz: f64) -> f64 {
    if hz < BREAK_HZ { hz / HZ_PER_MEL } else { BREAK_MEL + (hz / BREAK_HZ).ln() / log_step() }
}

/// Mel to hertz, the inverse of [`hz_to_mel`].
pub fn mel_to_hz(mel: f64) -> f64 {
    if mel < BREAK_MEL {
        mel * HZ_PER_MEL
    } else {
        BREAK_HZ * (log_step() * (mel - BREAK_MEL)).exp()
    }
}

/// One band: its first bin and the weights of its bins.
struct Band {
    first_bin: usize,
    weights: Vec<f32>,
}

/// Triangles evenly spaced in mel, each of unit area in hertz:
/// `librosa.filters.mel(sr, n_fft, n_mels, fmin, fmax, htk=False, norm="slaney")`, stored sparsely.
pub struct MelFilterbank {
    bins: usize,
    bin_hz: f64,
    min_mel: f64,
    mel_step: f64,
    bands: Vec<Band>,
}

impl MelFilterbank {
    /// The filterbank from 0 Hz to half of `sample_rate_hz`, for spectra of `n_fft / 2 + 1` bins.
    pub fn new(sample_rate_hz: f32, n_fft: usize, n_mels: usize) -> Self {
        Self::with_range(sample_rate_hz, n_fft, n_mels, 0.0, sample_rate_hz / 2.0)
    }

    /// The filterbank from `min_hz` to `max_hz`: the same bands for spectra at another sample rate.
    ///
    /// A band narrower than the spacing of the bins may be empty; its power is 0.
    pub fn with_range(
        sample_rate_hz: f32,
        n_fft: usize,
        n_mels: usize,
        min_hz: f32,
        max_hz: f32,
    ) -> Self {
        let (bins, bin_hz) = (n_fft / 2 + 1, f64::from(sample_rate_hz) / n_fft as f64);
        let (min_mel, max_mel) = (hz_to_mel(min_hz.into()), hz_to_mel(max_hz.into()));
        let mel_step = (max_mel - min_mel) / (n_mels + 1) as f64;
        let corner_hz = |i: usize| mel_to_hz(min_mel + mel_step * i as f64);
        let bands = (0..n_mels)
            .map(|m| Band::new([m, m + 1, m + 2].map(corner_hz), bin_hz, bins))
            .collect();
        Self { bins, bin_hz, min_mel, mel_step, bands }
    }

    /// Number of mel bands.
    pub fn n_mels(&self) -> usize {
        self.bands.len()
    }

    /// Number of bins of the input spectra.
    pub fn bins(&self) -> usize {
        self.bins
    }

    /// The dense matrix, row-major `[n_mels][bins]`.
    pub fn weights(&self) -> Vec<f32> {
        let mut dense = vec![0.0; self.n_mels() * self.bins];
        for (row, band) in dense.chunks_exact_mut(self.bins).zip(&self.bands) {
            row[band.first_bin..][..band.weights.len()].copy_from_slice(&band.weights);
        }
        dense
    }

    /// The position of a frequency among the band centres, interpolated in mel: 3.25 is a quarter
    /// of the distance from band 3 to band 4. Clamped to `[0, n_mels - 1]`.
    pub fn band_position(&self, hz: f32) -> f32 {
        let position = (hz_to_mel(hz.into()) - self.min_mel) / self.mel_step - 1.0;
        position.clamp(0.0, (self.n_mels() - 1) as f64) as f32
    }

    /// [`MelFilterbank::band_position`] of every bin (`bins` values), to interpolate band values to
    /// bins.
    pub fn bin_positions(&self) -> Vec<f32> {
        (0..self.bins).map(|k| self.band_position((k as f64 * self.bin_hz) as f32)).collect()
    }

    /// The centre frequency of each band (`n_mels` values).
    pub fn band_centers_hz(&self) -> Vec<f32> {
        (1..=self.n_mels())
            .map(|i| mel_to_hz(self.min_mel + self.mel_step * i as f64) as f32)
            .collect()
    }

    /// Computes mel power from a power spectrum (`bins` values). Calls `band(m, value)` once per
    /// band, in order.
    ///
    /// # Panics
    /// If `power` has fewer than `bins` values.
    pub fn apply(&self, power: &[f32], mut band: impl FnMut(usize, f32)) {
        for (m, Band { first_bin, weights }) in self.bands.iter().enumerate() {
            let bins = &power[*first_bin..][..weights.len()];
            band(m, weights.iter().zip(bins).map(|(w, p)| w * p).sum());
        }
    }
}

impl Band {
    /// The triangle over three corner frequencies, with area 1.
    fn new([low_hz, center_hz, high_hz]: [f64; 3], bin_hz: f64, bins: usize) -> Self {
        let area_norm = 2.0 / (high_hz - low_hz);
        let weight = |bin: usize| {
            let hz = bin as f64 * bin_hz;
            let (rise, fall) =
                ((hz - low_hz) / (center_hz - low_hz), (high_hz - hz) / (high_hz - center_hz));
            (rise.min(fall).max(0.0) * area_norm) as f32
        };
        let first_bin = ((low_hz / bin_hz).floor().max(0.0) as usize).min(bins);
        let end_bin = ((high_hz / bin_hz).ceil() as usize + 1).clamp(first_bin, bins);
        let inside = |bin: &usize| weight(*bin) > 0.0;
        let Some(first_bin) = (first_bin..end_bin).find(inside) else {
            return Self { first_bin: 0, weights: Vec::new() };
        };
        Self { first_bin, weights: (first_bin..end_bin).take_while(inside).map(weight).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_is_continuous_and_inverts() {
        assert!((hz_to_mel(BREAK_HZ - 1e-9) - hz_to_mel(BREAK_HZ)).abs() < 1e-9);
        for hz in [0.0, 50.0, 999.0, 1000.0, 1001.0, 11_025.0, 24_000.0] {
            assert!((mel_to_hz(hz_to_mel(hz)) - hz).abs() < 1e-8, "{hz}");
        }
    }

    #[test]
    fn bands_at_another_rate_have_the_same_level() {
        // White noise has the same mel power at 22.05 and 44.1 kHz if the resolution is the same.
        let low = MelFilterbank::new(22_050.0, 2048, 128);
        let high = MelFilterbank::with_range(44_100.0, 4096, 128, 0.0, 11_025.0);
        let (mut a, mut b) = (vec![0.0; 128], vec![0.0; 128]);
        low.apply(&vec![1.0; low.bins()], |m, v| a[m] = v);
        high.apply(&vec![1.0; high.bins()], |m, v| b[m] = v);
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-5));
    }

    #[test]
    fn positions_run_through_the_centres() {
        let bank = MelFilterbank::new(22_050.0, 2048, 128);
        for (m, hz) in bank.band_centers_hz().into_iter().enumerate() {
            assert!((bank.band_position(hz) - m as f32).abs() < 1e-3, "{m}");
        }
        let positions = bank.bin_positions();
        assert!(positions.is_sorted() && positions[0] == 0.0 && positions[1024] == 127.0);
    }
}
