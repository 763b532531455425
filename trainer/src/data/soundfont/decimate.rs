//! Resamples whole signals from 44.1 kHz to 22.05 kHz.
//!
//! The synthesiser interpolates its 44.1-kHz samples linearly, without a low pass. At 22.05 kHz,
//! content above 11 kHz would alias. So it renders at 44.1 kHz, and this filter halves the rate.

use std::f64::consts::PI;

use engine::dsp::window::bessel_i0;

/// Number of taps. It is odd, so that the delay is a whole number of samples.
const TAPS: usize = 351;
/// Centre of the transition band as a share of the input rate. As in the engine's `Resampler`, the
/// pass band ends at 0.95 of the new Nyquist frequency and the stop band begins at it.
const CUTOFF: f64 = 10_750.0 / 44_100.0;
/// Kaiser window shape for 70 dB attenuation (Kaiser 1974: `0.1102 (A - 8.7)`).
const KAISER_BETA: f64 = 6.76;

/// A linear-phase low pass that keeps every second sample. Signals are 0 outside their ends.
pub struct Decimator {
    taps: Vec<f32>,
}

impl Default for Decimator {
    fn default() -> Self {
        Self::new()
    }
}

impl Decimator {
    /// Designs the filter (windowed sinc, unit gain at 0 Hz).
    pub fn new() -> Self {
        let middle = (TAPS / 2) as f64;
        let tap = |n: usize| {
            let x = n as f64 - middle;
            let sinc =
                if x == 0.0 { 2.0 * CUTOFF } else { (2.0 * PI * CUTOFF * x).sin() / (PI * x) };
            sinc * bessel_i0(KAISER_BETA * (1.0 - (x / middle).powi(2)).max(0.0).sqrt())
        };
        let taps: Vec<f64> = (0..TAPS).map(tap).collect();
        let sum: f64 = taps.iter().sum();
        Self { taps: taps.iter().map(|t| (t / sum) as f32).collect() }
    }

    /// `input.len() / 2` samples at half the rate. Sample n is at the time of input sample 2n.
    pub fn halve(&self, input: &[f32]) -> Vec<f32> {
        let half = TAPS / 2;
        let mut padded = vec![0.0; input.len() + 2 * half];
        padded[half..half + input.len()].copy_from_slice(input);
        (0..input.len() / 2).map(|n| dot(&self.taps, &padded[2 * n..2 * n + TAPS])).collect()
    }
}

/// Independent partial sums, for vector code.
const LANES: usize = 32;

/// Dot product.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (a_body, a_rest) = a.as_chunks::<LANES>();
    let (b_body, b_rest) = b.as_chunks::<LANES>();
    for (x, y) in a_body.iter().zip(b_body) {
        for lane in 0..LANES {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    lanes.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gain of the filter for a sine of `hz`, in dB.
    fn response_db(hz: f64) -> f64 {
        let input: Vec<f32> =
            (0..44_100).map(|n| (2.0 * PI * hz * n as f64 / 44_100.0).sin() as f32).collect();
        let output = Decimator::new().halve(&input);
        let middle = &output[1000..output.len() - 1000];
        let power = middle.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / middle.len() as f64;
        10.0 * (2.0 * power).log10()
    }

    #[test]
    fn it_passes_below_the_new_nyquist_frequency_and_stops_aliases() {
        for hz in [100.0, 1_000.0, 5_000.0, 10_400.0] {
            assert!(response_db(hz).abs() < 0.05, "{hz} Hz: {} dB", response_db(hz));
        }
        for hz in [11_060.0, 13_000.0, 20_000.0] {
            assert!(response_db(hz) < -65.0, "{hz} Hz: {} dB", response_db(hz));
        }
    }

    #[test]
    fn it_has_no_delay() {
        let mut input = vec![0.0; 2000];
        input[1000] = 1.0;
        let output = Decimator::new().halve(&input);
        let peak = (0..output.len()).max_by(|&a, &b| output[a].total_cmp(&output[b])).unwrap();
        assert_eq!((peak, output.len()), (500, 1000));
    }
}
