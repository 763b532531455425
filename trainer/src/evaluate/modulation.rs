//! Fast modulation: the change of an image from frame to frame.

use engine::image::MelImage;

/// Root mean square change of all bands from one frame to the next, in dB.
///
/// Attacks, vibrato and beating are fast modulation. An average of possible outputs has less of it.
/// Relative to the true target, more is noise and less is blur.
pub fn fast_modulation_db(image: &MelImage, range_db: f32) -> f64 {
    let squares: f64 = image
        .data
        .chunks_exact(image.frames)
        .flat_map(|row| {
            row.windows(2).map(|pair| f64::from((pair[1] - pair[0]) * range_db).powi(2))
        })
        .sum();
    (squares / (image.n_mels * (image.frames - 1).max(1)) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_image_has_none_and_a_flickering_one_its_amplitude() {
        assert_eq!(fast_modulation_db(&MelImage::filled(3, 5, 0.4), 80.0), 0.0);
        let flicker = MelImage { n_mels: 1, frames: 4, data: vec![0.0, 0.1, 0.0, 0.1] };
        assert!((fast_modulation_db(&flicker, 80.0) - 8.0).abs() < 1e-4);
    }
}
