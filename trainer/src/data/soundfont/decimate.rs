//! 44.1 kHz to 22.05 kHz for whole signals.
//!
//! The synthesiser interpolates its 44.1-kHz samples linearly and filters nothing; asked for 22.05
//! kHz it folds everything above 11 kHz back into the image. So it plays at 44.1 kHz, and this
//! filter halves the rate.

use std::f64::consts::PI;

/// Taps; odd, so that the delay is a whole number of samples and output n is input 2n.
const TAPS: usize = 351;
/// Middle of the transition band as a share of the input rate. As the engine's `Resampler`, the
/// filter is flat to 0.95 of the new Nyquist frequency and done at that frequency; it is several
/// times faster for this one ratio.
const CUTOFF: f64 = 10_750.0 / 44_100.0;
/// Kaiser window shape for about 70 dB (Kaiser 1974: `0.1102 (A - 8.7)`).
const KAISER_BETA: f64 = 6.76;

/// A linear-phase low pass that keeps every second sample. Signals outside their ends read as 0.
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

    /// `input.len() / 2` samples at half the rate; sample n lies where input sample 2n lay.
    pub fn halve(&self, input: &[f32]) -> Vec<f32> {
        let half = TAPS / 2;
        let mut padded = vec![0.0; input.len() + 2 * half];
        padded[half..half + input.len()].copy_from_slice(input);
        (0..input.len() / 2).map(|n| dot(&self.taps, &padded[2 * n..2 * n + TAPS])).collect()
    }
}

/// Sums side by side: enough to keep a core's vector units busy.
const LANES: usize = 32;

/// Sum of products in lanes, which the compiler turns into vector code.
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

/// Modified Bessel function of order 0 (its power series).
fn bessel_i0(x: f64) -> f64 {
    let mut term = 1.0;
    let mut sum = 1.0;
    for k in 1..40 {
        term *= (x / 2.0 / f64::from(k)).powi(2);
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RMS of a sine of `hz` after the filter, relative to before, in dB.
    fn response_db(hz: f64) -> f64 {
        let input: Vec<f32> =
            (0..44_100).map(|n| (2.0 * PI * hz * n as f64 / 44_100.0).sin() as f32).collect();
        let output = Decimator::new().halve(&input);
        let middle = &output[1000..output.len() - 1000];
        let power = middle.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / middle.len() as f64;
        10.0 * (2.0 * power).log10()
    }

    #[test]
    fn it_passes_what_the_new_rate_holds_and_stops_what_would_fold_back() {
        for hz in [100.0, 1_000.0, 5_000.0, 10_400.0] {
            assert!(response_db(hz).abs() < 0.05, "{hz} Hz: {} dB", response_db(hz));
        }
        for hz in [11_060.0, 13_000.0, 20_000.0] {
            assert!(response_db(hz) < -65.0, "{hz} Hz: {} dB", response_db(hz));
        }
    }

    #[test]
    fn it_delays_nothing() {
        let mut input = vec![0.0; 2000];
        input[1000] = 1.0;
        let output = Decimator::new().halve(&input);
        let peak = (0..output.len()).max_by(|&a, &b| output[a].total_cmp(&output[b])).unwrap();
        assert_eq!((peak, output.len()), (500, 1000));
    }
}
