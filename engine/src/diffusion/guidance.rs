//! Classifier-free guidance.
//!
//! ```
//! use engine::diffusion::guidance::combine;
//!
//! assert_eq!(combine(&[0.5], &[0.25], 2.0), [0.75]);
//! ```

/// `cond + (scale - 1) (cond - uncond)` (Ho and Salimans 2022, equation 6, with diffusers'
/// `guidance_scale`).
///
/// Scale 1 returns `cond` bit for bit, 0 returns `uncond`, and above 1 extrapolates away from
/// `uncond`. Slices of any shape and equal length.
///
/// # Panics
/// If the lengths differ.
pub fn combine(cond: &[f32], uncond: &[f32], scale: f32) -> Vec<f32> {
    assert_eq!(cond.len(), uncond.len(), "one prediction with and one without the condition");
    cond.iter().zip(uncond).map(|(&cond, &uncond)| cond + (scale - 1.0) * (cond - uncond)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scale_interpolates_and_extrapolates() {
        let (cond, uncond) = ([0.3, -1.0], [0.1, 1.0]);
        assert_eq!(combine(&cond, &uncond, 1.0), cond);
        for (scale, expected) in [(0.0, [0.1, 1.0]), (0.5, [0.2, 0.0]), (3.0, [0.7, -5.0])] {
            for (value, expected) in combine(&cond, &uncond, scale).iter().zip(expected) {
                assert!((value - expected).abs() < 1e-6, "scale {scale}: {value}");
            }
        }
    }
}
