//! Valid samples of a stream: finite numbers of bounded size.

/// The largest magnitude of a sample, +40 dBFS. No music is louder. A larger value is an error
/// upstream and could injure the listener.
pub const MAX_MAGNITUDE: f32 = 100.0;

/// Returns a valid sample unchanged, and clamps or replaces others.
///
/// Infinity and NaN become 0, because they would persist in filters and meters. Subnormal numbers
/// become 0 too: they are inaudible and slow, and plugin validators reject them.
pub fn clean(sample: f32) -> f32 {
    if sample.is_normal() { sample.clamp(-MAX_MAGNITUDE, MAX_MAGNITUDE) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usable_samples_stay_and_others_become_usable() {
        for usable in [0.0, 1.0, -0.25, f32::MIN_POSITIVE, MAX_MAGNITUDE, -MAX_MAGNITUDE] {
            assert_eq!(clean(usable), usable);
        }
        for (sample, expected) in [
            (f32::NAN, 0.0),
            (f32::INFINITY, 0.0),
            (f32::NEG_INFINITY, 0.0),
            (1e-42, 0.0),
            (f32::MAX, MAX_MAGNITUDE),
            (f32::MIN, -MAX_MAGNITUDE),
        ] {
            assert_eq!(clean(sample), expected, "{sample}");
        }
    }
}
