//! Splits an image's error into envelope, partials and movement.

use engine::image::MelImage;

use super::table::{Column, Form};

/// Mel bands of one envelope band: an eighth of the axis, more than half an octave.
const ENVELOPE_BANDS: usize = 16;
/// Frames over which partials are averaged, 186 ms.
const STEADY_FRAMES: usize = 8;

/// Columns of the table.
pub const COLUMNS: [Column; 4] = [
    Column::new("envelope / content copy's (95 %)", "envelope", Form::OfCopy),
    Column::new("partials / content copy's (95 %)", "partials", Form::OfCopy),
    Column::new("movement / content copy's (95 %)", "movement", Form::OfCopy),
    Column::new(
        "mel LSD / content copy's, both equalised to the true target (95 %)",
        "equalised",
        Form::OfCopy,
    ),
];

/// Parts of a level-free mel LSD, in dB. The squares of the first three sum to the square of the
/// whole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Residual {
    /// Error of the means over 16 adjacent bands in each frame.
    pub envelope_db: f64,
    /// Error of the rest, averaged over 8 frames.
    pub partials_db: f64,
    /// Error of the remainder.
    pub movement_db: f64,
    /// The mel LSD after the mean of every band is corrected, which an equaliser cannot reduce.
    pub equalised_db: f64,
}

impl Residual {
    /// The error of an image against the true target. `range_db` is the range from 0 to 1 in dB.
    ///
    /// # Panics
    /// If the images differ in size.
    pub fn measure(output: &MelImage, target: &MelImage, range_db: f32) -> Self {
        assert_eq!(
            (output.n_mels, output.frames),
            (target.n_mels, target.frames),
            "images of one size"
        );
        let (pixels, size) = (output.data.iter().zip(&target.data), [output.n_mels, output.frames]);
        let error: Vec<f64> = pixels.map(|(a, b)| f64::from(a - b) * f64::from(range_db)).collect();
        let whole = mean_square(&without_means(&error, size, size));
        let equalised = mean_square(&without_means(&error, size, [1, output.frames]));
        let within = without_means(&error, size, [ENVELOPE_BANDS, 1]);
        let movement = without_means(&within, size, [1, STEADY_FRAMES]);
        let (within, movement) = (mean_square(&within), mean_square(&movement));
        let root = |square: f64| square.max(0.0).sqrt();
        Self {
            envelope_db: root(whole - within),
            partials_db: root(within - movement),
            movement_db: root(movement),
            equalised_db: root(equalised),
        }
    }
}

fn mean_square(values: &[f64]) -> f64 {
    values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64
}

/// An image minus the means of its blocks of `height` bands and `width` frames.
fn without_means(
    image: &[f64],
    [bands, frames]: [usize; 2],
    [height, width]: [usize; 2],
) -> Vec<f64> {
    let mut rest = image.to_vec();
    for top in (0..bands).step_by(height) {
        for first in (0..frames).step_by(width) {
            let (end, width) = ((top + height).min(bands), width.min(frames - first));
            let rows = || (top..end).map(|band| band * frames + first);
            let sum: f64 = rows().flat_map(|start| &image[start..][..width]).sum();
            let mean = sum / ((end - top) * width) as f64;
            rows().for_each(|start| rest[start..][..width].iter_mut().for_each(|v| *v -= mean));
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level_free::level_free_distance_db;

    const SIZE: [usize; 2] = [32, 16];

    /// An image with the given dB values, and its residual against an image of zeros.
    fn residual(db: impl Fn(usize, usize) -> f64) -> (MelImage, Residual) {
        let places = (0..SIZE[0]).flat_map(|band| (0..SIZE[1]).map(move |frame| (band, frame)));
        let data = places.map(|(band, frame)| (db(band, frame) / 80.0) as f32).collect();
        let image = MelImage { n_mels: SIZE[0], frames: SIZE[1], data };
        let residual = Residual::measure(&image, &MelImage::filled(SIZE[0], SIZE[1], 0.0), 80.0);
        (image, residual)
    }

    fn sign(positive: bool) -> f64 {
        if positive { 1.0 } else { -1.0 }
    }

    #[test]
    fn each_kind_of_error_is_in_its_part() {
        let close = |found: Residual, expected: [f64; 4]| {
            let parts =
                [found.envelope_db, found.partials_db, found.movement_db, found.equalised_db];
            assert!(
                parts.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-2),
                "{parts:?}, {expected:?}"
            );
        };
        close(residual(|_, _| 7.0).1, [0.0; 4]);
        close(residual(|band, _| 3.0 * sign(band < 16)).1, [3.0, 0.0, 0.0, 0.0]);
        close(residual(|_, frame| 3.0 * sign(frame < 8)).1, [3.0, 0.0, 0.0, 3.0]);
        close(residual(|band, _| 5.0 * sign(band % 2 == 0)).1, [0.0, 5.0, 0.0, 0.0]);
        close(
            residual(|band, frame| 5.0 * sign((band % 2 == 0) == (frame < 8))).1,
            [0.0, 5.0, 0.0, 5.0],
        );
        close(residual(|band, frame| 2.0 * sign((band + frame) % 2 == 0)).1, [0.0, 0.0, 2.0, 2.0]);
    }

    #[test]
    fn the_parts_sum_to_the_whole() {
        let (image, parts) =
            residual(|band, frame| ((band * 7 + frame * 13) % 11) as f64 + 0.1 * band as f64);
        let whole = level_free_distance_db(&image, &MelImage::filled(SIZE[0], SIZE[1], 0.0), 80.0);
        let sum = parts.envelope_db.powi(2) + parts.partials_db.powi(2) + parts.movement_db.powi(2);
        assert!((sum.sqrt() - whole).abs() < 1e-4, "{} {whole}", sum.sqrt());
    }
}
