//! The spectral profile of a reference: how each mel band behaves over time.
//!
//! Style tokens say what is heard where in a reference; a network has to learn from many sounds how
//! to read a spectrum out of them. The profile says it plainly, band by band, and so of a sound as
//! well that is unlike all that were learnt from.

use crate::image::MelImage;

// Models are trained on these numbers as they are: another definition needs another name in the
// model's config.

/// Numbers that a profile has of each mel band.
pub const BAND_STATISTICS: usize = 5;

/// Shares of a band's frames that lie below its quantiles: its floor, its middle, its loud frames
/// and its peaks.
const QUANTILES: [f32; BAND_STATISTICS - 1] = [0.1, 0.5, 0.9, 1.0];
/// Change from frame to frame, in a twentieth of an image's range, is of the size of the rest.
const CHANGE_SCALE: f32 = 20.0;

/// [`BAND_STATISTICS`] of each band, the lowest band first: quantiles of its level, and the mean of
/// how far it moves from frame to frame; in units of the image.
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
        let moved: f32 = band.windows(2).map(|pair| (pair[1] - pair[0]).abs()).sum();
        profile.push(CHANGE_SCALE * moved / (image.frames - 1).max(1) as f32);
    }
    profile
}

/// The mean profile of a reference's windows, images of one size.
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
    fn it_tells_floor_middle_peaks_and_movement_of_each_band() {
        let steady = vec![0.25; 11];
        let ramp: Vec<f32> = (0..11).map(|frame| frame as f32 / 10.0).collect();
        let image = MelImage { n_mels: 2, frames: 11, data: [steady, ramp].concat() };
        let expected = [0.25, 0.25, 0.25, 0.25, 0.0, 0.1, 0.5, 0.9, 1.0, 2.0];
        let profile = spectral_profile(&image);
        assert_eq!(profile.len(), expected.len());
        assert!(profile.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{profile:?}");
    }

    #[test]
    fn it_does_not_ask_when_things_happen() {
        let image = |shift: usize| {
            let data = (0..64).map(|frame| f32::from(u8::from((frame + shift) % 16 < 8)));
            MelImage { n_mels: 1, frames: 64, data: data.collect() }
        };
        let (a, b) = (spectral_profile(&image(0)), spectral_profile(&image(5)));
        assert_eq!(a[..4], b[..4]);
        // One edge more or less of eight lies inside.
        assert!((a[4] - b[4]).abs() <= CHANGE_SCALE / 63.0, "{a:?} {b:?}");
    }
}
