//! Crossfade with constant power at any correlation of the two signals.
//!
//! The weights `cos` and `sin` keep the power of uncorrelated signals, but raise equal signals by 3
//! dB. Linear weights keep equal signals, but attenuate uncorrelated ones. The relative power of
//! the sum is `cos^2 + sin^2 + 2 rho cos sin`. Dividing `cos` and `sin` by its root, `sqrt(1 + 2
//! rho cos sin)`, is exact for every `rho`.

use std::f32::consts::FRAC_PI_2;

/// Lowest correlation that the weights compensate. Below it, the two signals cancel. Compensation
/// would amplify the remainder by more than 5 dB.
const MIN_CORRELATION: f32 = -0.7;

/// The correlation of two signals of equal shape (channels x samples), -0.7 to 1. All channels
/// share one value: one weight for all keeps the stereo image. The correlation is 1 for two silent
/// signals, and 0 if only one is silent.
pub fn correlation<'a>(pairs: impl Iterator<Item = (&'a [f32], &'a [f32])>) -> f32 {
    let (mut aa, mut bb, mut ab) = (0.0f64, 0.0f64, 0.0f64);
    for (a, b) in pairs.flat_map(|(a, b)| a.iter().zip(b)) {
        let (a, b) = (f64::from(*a), f64::from(*b));
        aa += a * a;
        bb += b * b;
        ab += a * b;
    }
    match (aa > 0.0, bb > 0.0) {
        (false, false) => 1.0,
        (true, true) => ((ab / (aa * bb).sqrt()) as f32).clamp(MIN_CORRELATION, 1.0),
        _ => 0.0,
    }
}

/// One step of a crossfade: `gain * (a + (b - a) * blend)`.
///
/// The same weights as `(cos a + sin b) / sqrt(1 + 2 rho cos sin)`. In this form, equal samples of
/// equal signals are returned bit for bit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weight {
    gain: f32,
    blend: f32,
}

impl Weight {
    /// The weight at sample `i` of `len` for signals of correlation `rho`.
    pub fn at_sample(i: u64, len: u64, rho: f32) -> Self {
        let (sin, cos) = (FRAC_PI_2 * (i as f32 + 0.5) / len as f32).sin_cos();
        let product = 2.0 * sin * cos;
        // (cos + sin)^2 = 1 + 2 cos sin.
        Self { gain: ((1.0 + product) / (1.0 + rho * product)).sqrt(), blend: sin / (sin + cos) }
    }

    /// The sum: `a` fades out and `b` fades in.
    pub fn apply(self, a: f32, b: f32) -> f32 {
        self.gain * (a + (b - a) * self.blend)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two noise signals of correlation `rho`.
    fn noises(rho: f32, len: usize) -> (Vec<f32>, Vec<f32>) {
        let mut state = 1u64;
        let mut white = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        };
        let a: Vec<f32> = (0..len).map(|_| white()).collect();
        let b = a.iter().map(|a| rho * a + (1.0 - rho * rho).sqrt() * white()).collect();
        (a, b)
    }

    #[test]
    fn power_is_constant_at_every_correlation() {
        let len = 1 << 18;
        for rho in [-0.5, 0.0, 0.3, 0.8, 1.0] {
            let (a, b) = noises(rho, len);
            let measured = correlation(std::iter::once((&a[..], &b[..])));
            assert!((measured - rho).abs() < 0.01, "{measured} for {rho}");
            for part in (0..len).step_by(len / 16) {
                let power = |x: &dyn Fn(usize) -> f32| -> f32 {
                    (part..part + len / 16).map(|i| x(i) * x(i)).sum::<f32>()
                };
                let faded =
                    power(&|i| Weight::at_sample(i as u64, len as u64, measured).apply(a[i], b[i]));
                let change_db = 10.0 * (faded / power(&|i| a[i])).log10();
                assert!(change_db.abs() < 0.2, "{change_db} dB at rho {rho}");
            }
        }
    }

    #[test]
    fn equal_signals_pass_bit_for_bit() {
        let (a, _) = noises(0.0, 999);
        let rho = correlation(std::iter::once((&a[..], &a[..])));
        assert_eq!(rho, 1.0);
        assert!((0..999).all(|i| Weight::at_sample(i as u64, 999, rho).apply(a[i], a[i]) == a[i]));
    }

    #[test]
    fn silence_has_a_correlation_too() {
        let (zeros, ones) = ([0.0; 8], [1.0; 8]);
        assert_eq!(correlation(std::iter::once((&zeros[..], &zeros[..]))), 1.0);
        assert_eq!(correlation(std::iter::once((&zeros[..], &ones[..]))), 0.0);
    }
}
