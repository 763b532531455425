//! Windows of the short-time Fourier transform.
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
}
