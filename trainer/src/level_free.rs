//! Distance of log-mel images, independent of level.

use engine::image::MelImage;

/// Root mean square difference of two images in dB, after the mean difference is subtracted.
/// `range_db` is the range from 0 to 1 in dB.
///
/// # Panics
/// If the images differ in size.
pub fn level_free_distance_db(a: &MelImage, b: &MelImage, range_db: f32) -> f64 {
    assert_eq!((a.n_mels, a.frames), (b.n_mels, b.frames), "images of one size");
    let count = a.data.len() as f64;
    let differences =
        || a.data.iter().zip(&b.data).map(|(a, b)| f64::from(a - b) * f64::from(range_db));
    let mean = differences().sum::<f64>() / count;
    (differences().map(|d| (d - mean).powi(2)).sum::<f64>() / count).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_level_is_no_distance() {
        let a = MelImage { n_mels: 2, frames: 2, data: vec![0.1, 0.2, 0.3, 0.4] };
        let louder = MelImage { data: a.data.iter().map(|v| v + 0.25).collect(), ..a.clone() };
        assert!(level_free_distance_db(&a, &louder, 80.0) < 1e-4);
        let tilted = MelImage { data: vec![0.2, 0.1, 0.4, 0.3], ..a.clone() };
        assert!((level_free_distance_db(&a, &tilted, 80.0) - 8.0).abs() < 1e-4);
    }
}
