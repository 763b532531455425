//! The spectral profile of a reference: statistics of each mel band over time.
//!
//! Style tokens encode a spectrum indirectly, in a form that the network learns from many sounds.
//! The profile has the levels of each band directly, also for sounds unlike the training data; see
//! `docs/decisions/040-spectral-profile.md`.
//!
//! ```
//! use engine::image::MelImage;
//! use engine::style::profile::{BAND_STATISTICS, spectral_profile};
//!
//! let steady = MelImage::filled(128, 64, 0.25);
//! let profile = spectral_profile(&steady);
//! assert_eq!(profile.len(), 128 * BAND_STATISTICS);
//! assert_eq!(profile[..BAND_STATISTICS], [0.25, 0.25, 0.25, 0.25, 0.0]);
//! ```

use crate::image::MelImage;

// Models are trained with exactly these numbers: another definition needs another field in the
// model's config.

/// Numbers per mel band.
pub const BAND_STATISTICS: usize = 5;

/// Quantiles of a band's levels: floor, median, loud frames and peak.
const QUANTILES: [f32; BAND_STATISTICS - 1] = [0.1, 0.5, 0.9, 1.0];
/// Scales the change from frame to frame to the size of the other numbers.
const CHANGE_SCALE: f32 = 20.0;

/// [`BAND_STATISTICS`] numbers per band, lowest band first: four quantiles of its image values and
/// the mean absolute change from frame to frame, times 20.
pub fn spectral_profile(image: &MelImage) -> Vec<f32> {
    let mut profile = Vec::with_capacity(image.n_mels * BAND_STATISTICS);
    let mut sorted = Vec::with_capacity(image.frames);
    for band in image.data.chunks_exact(image.frames) {
        sorted.clear();
        sorted.extend_from_slice(band);
        sorted.sort_unstable_by(f32::total_cmp);
        profile.extend(
            QUANTILES.map(|share| sorted[((image.frames - 1) as f32 * share).round() as usize]),
        );
        let change: f32 = band.windows(2).map(|pair| (pair[1] - pair[0]).abs()).sum();
        profile.push(CHANGE_SCALE * change / (image.frames - 1).max(1) as f32);
    }
    profile
}

/// The mean profile of images of equal size.
pub fn mean_profile(images: &[MelImage]) -> Vec<f32> {
    let mut mean = vec![0.0; images.first().map_or(0, |image| image.n_mels * BAND_STATISTICS)];
    for image in images {
        let profile = spectral_profile(image);
        mean.iter_mut()
            .zip(&profile)
            .for_each(|(mean, value)| *mean += value / images.len() as f32);
    }
    mean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_quantiles_and_change_of_each_band() {
        let steady = vec![0.25; 11];
        let ramp: Vec<f32> = (0..11).map(|frame| frame as f32 / 10.0).collect();
        let image = MelImage { n_mels: 2, frames: 11, data: [steady, ramp].concat() };
        let expected = [0.25, 0.25, 0.25, 0.25, 0.0, 0.1, 0.5, 0.9, 1.0, 2.0];
        let profile = spectral_profile(&image);
        assert_eq!(profile.len(), expected.len());
        assert!(profile.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{profile:?}");
    }

    #[test]
    fn it_does_not_depend_on_the_time_of_events() {
        let image = |shift: usize| {
            let data = (0..64).map(|frame| f32::from(u8::from((frame + shift) % 16 < 8)));
            MelImage { n_mels: 1, frames: 64, data: data.collect() }
        };
        let (a, b) = (spectral_profile(&image(0)), spectral_profile(&image(5)));
        assert_eq!(a[..4], b[..4]);
        // One of eight edges may be outside.
        assert!((a[4] - b[4]).abs() <= CHANGE_SCALE / 63.0, "{a:?} {b:?}");
    }
}
