//! Measures whether an output is more than its equalised input.
//!
//! The best equaliser has one gain per frequency, constant over time. It is a least-squares fit of
//! STFT magnitudes, `g(f) = sum_t X Y / sum_t X^2`. The residual `sum (Y - g X)^2 / sum Y^2` is 0
//! for an equalised input and near 1 for an unrelated signal.

use crate::spectrum::magnitudes;

const N_FFT: usize = 2048;
const HOP: usize = 512;

/// The share of the output's energy that an equaliser of the input cannot explain, 0 to 1.
pub fn residual(input: &[f32], output: &[f32]) -> f64 {
    let (x, y) = (magnitudes(input, N_FFT, HOP), magnitudes(output, N_FFT, HOP));
    let (mut error, mut total) = (0.0, 0.0);
    for bin in 0..=N_FFT / 2 {
        let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
        for (x, y) in x.iter().zip(&y) {
            let (x, y) = (f64::from(x[bin]), f64::from(y[bin]));
            (xx, xy, yy) = (xx + x * x, xy + x * y, yy + y * y);
        }
        // With the best gain, sum (y - g x)^2 = yy - xy^2 / xx.
        error += if xx > 0.0 { (yy - xy * xy / xx).max(0.0) } else { yy };
        total += yy;
    }
    if total > 0.0 { error / total } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tones at intervals of 0.25 s: decaying, or sustained if `bow`.
    fn plucked(decay_s: f32, bow: bool) -> Vec<f32> {
        (0..88_200)
            .map(|n| {
                let note = n / 11_025;
                let time = (n % 11_025) as f32 / 44_100.0;
                let hz = 220.0 * (note as f32 * 5.0 / 12.0).exp2();
                let envelope = if bow { (time / 0.1).min(1.0) } else { (-time / decay_s).exp() };
                let tone: f32 = (1..6)
                    .map(|h| (std::f32::consts::TAU * hz * h as f32 * time).sin() / h as f32)
                    .sum();
                0.1 * envelope * tone
            })
            .collect()
    }

    #[test]
    fn an_equalised_input_has_almost_no_residual() {
        let input = plucked(0.1, false);
        // A steep shelf with a resonance: y[n] = x[n] + 0.9 y[n-1] - 0.5 y[n-2].
        let (mut a, mut b) = (0.0, 0.0);
        let filtered: Vec<f32> = input
            .iter()
            .map(|x| {
                let y = x + 0.9 * a - 0.5 * b;
                (a, b) = (y, a);
                3.0 * y
            })
            .collect();
        assert!(residual(&input, &input) < 1e-6);
        assert!(residual(&input, &filtered) < 0.02, "{}", residual(&input, &filtered));
    }

    #[test]
    fn another_envelope_has_a_large_residual() {
        let error = residual(&plucked(0.1, false), &plucked(0.1, true));
        assert!(error > 0.3, "{error}");
    }
}
