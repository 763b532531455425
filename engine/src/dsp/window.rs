//! Windows of the short-time Fourier transform and of filters.
//!
//! ```
//! use engine::dsp::window::hann_periodic;
//!
//! assert_eq!(hann_periodic(4), [0.0, 0.5, 1.0, 0.5]);
//! ```

use std::f64::consts::TAU;

/// The *periodic* Hann window of `n` samples, `0.5 - 0.5 cos(2 pi i / n)`, as in librosa and torch.
///
/// (The symmetric window divides by `n - 1`. At 2048 samples the two differ by up to 1.2e-3.)
pub fn hann_periodic(n: usize) -> Vec<f32> {
    (0..n).map(|i| (0.5 - 0.5 * (TAU * i as f64 / n as f64).cos()) as f32).collect()
}

/// The modified Bessel function of the first kind and order 0, as a power series. A Kaiser window
/// is its quotient (Kaiser 1974). Exact to an `f64` for `|x| < 20`.
pub fn bessel_i0(x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for k in 1..40 {
        term *= (x / 2.0 / f64::from(k)).powi(2);
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shifted_squares_add_up_to_a_constant() {
        // Periodic Hann squared at a hop of n/4 sums to 3/2 everywhere, unlike the symmetric
        // window.
        let window = hann_periodic(64);
        for i in 0..16 {
            let sum: f32 = (0..4).map(|k| window[i + 16 * k].powi(2)).sum();
            assert!((sum - 1.5).abs() < 1e-6, "sample {i}: {sum}");
        }
    }

    #[test]
    fn the_bessel_function_has_its_tabulated_values() {
        // Abramowitz and Stegun, table 9.8.
        for (x, expected) in [(0.0, 1.0), (1.0, 1.266_065_877_8), (5.0, 27.239_871_823_6)] {
            assert!((bessel_i0(x) / expected - 1.0).abs() < 1e-10, "{x}: {}", bessel_i0(x));
        }
    }
}
