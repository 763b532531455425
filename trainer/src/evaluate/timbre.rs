//! Timbre distance of two sounds, independent of their notes.

use engine::image::MelImage;

/// Mel-frequency cepstral coefficients from the first. The zeroth is the level and is not used.
const COEFFICIENTS: usize = 13;
/// Frames without a band above this value are pauses (images in `[0, 1]`).
const PAUSE: f32 = 0.45;

/// Distance of the MFCCs' means and standard deviations over the frames that are not pauses, in dB.
///
/// The coefficients are the orthonormal cosine transform of the bands in dB (Davis and Mermelstein
/// 1980; Logan 2000 for music), the first 13 without the level. They describe the spectral
/// envelope. Their statistics do not depend on the order of the frames.
pub fn timbre_distance_db(a: &MelImage, b: &MelImage, range_db: f32) -> f64 {
    let (a, b) = (statistics(a), statistics(b));
    let squares = a.iter().zip(&b).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
    f64::from(range_db) * (squares / a.len() as f64).sqrt()
}

/// Means, then standard deviations; all 0 for silence.
fn statistics(image: &MelImage) -> Vec<f64> {
    let (mut sums, mut squares, mut count) = ([0.0; COEFFICIENTS], [0.0; COEFFICIENTS], 0.0);
    for frame in 0..image.frames {
        if (0..image.n_mels).all(|mel| image.value(mel, frame) < PAUSE) {
            continue;
        }
        count += 1.0;
        for (k, (sum, square)) in sums.iter_mut().zip(&mut squares).enumerate() {
            let value = coefficient(image, frame, k + 1);
            *sum += value;
            *square += value * value;
        }
    }
    let count = f64::max(count, 1.0);
    let means = sums.map(|sum| sum / count);
    let deviations = means
        .iter()
        .zip(&squares)
        .map(|(mean, square)| (square / count - mean * mean).max(0.0).sqrt());
    means.iter().copied().chain(deviations).collect()
}

/// Coefficient `k` of the orthonormal DCT-II, divided by the square root of the number of bands, so
/// that its scale is the image's.
fn coefficient(image: &MelImage, frame: usize, k: usize) -> f64 {
    let bands = image.n_mels as f64;
    let cosine = |mel: usize| (std::f64::consts::PI * (mel as f64 + 0.5) * k as f64 / bands).cos();
    let sum =
        (0..image.n_mels).map(|mel| f64::from(image.value(mel, frame)) * cosine(mel)).sum::<f64>();
    sum * std::f64::consts::SQRT_2 / bands
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An image that falls by `slope` from the lowest to the highest band, with a note at frame
    /// `onset`.
    fn sound(slope: f32, onset: usize) -> MelImage {
        let mut image = MelImage::filled(16, 20, 0.0);
        for mel in 0..16 {
            for frame in onset..onset + 8 {
                image.data[mel * 20 + frame] = 0.9 - slope * mel as f32 / 15.0;
            }
        }
        image
    }

    #[test]
    fn a_sound_is_near_its_shifted_copy_and_far_from_a_duller_one() {
        assert!(timbre_distance_db(&sound(0.3, 2), &sound(0.3, 9), 80.0) < 1e-4);
        let (near, far) = (
            timbre_distance_db(&sound(0.3, 2), &sound(0.4, 2), 80.0),
            timbre_distance_db(&sound(0.3, 2), &sound(0.8, 2), 80.0),
        );
        assert!(0.1 < near && 3.0 * near < far, "{near} and {far}");
        let still = timbre_distance_db(&sound(0.0, 2), &MelImage::filled(16, 20, 0.9), 80.0);
        assert!(still < 1e-9, "{still}");
    }
}
