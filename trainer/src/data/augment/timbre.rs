//! Changes the timbre of a mel image and keeps its notes.
//!
//! For recordings, the changed target is the content of a training example.

use std::f32::consts::PI;

use rand::Rng;

use crate::data::random;

/// Maximum gain of each cosine over the mel axis, in dB. The k-th has k half periods; the 0-th is
/// the level.
const EQUALISER_DB: [f32; 7] = [4.0, 14.0, 10.0, 8.0, 6.0, 5.0, 4.0];
/// Maximum noise of a pixel, in dB.
const NOISE_DB: f32 = 1.5;

/// Applies a random equaliser and weak noise to an image of `n_mels` rows in `[0, 1]`. Equal seeds
/// give equal results.
///
/// The equaliser is smooth over the mel axis and constant in time. It changes the resonances of an
/// instrument and keeps pitch, rhythm and dynamics. Pixels at the floor stay there, because the
/// level below the floor is not in the image.
pub fn change_timbre(image: &mut [f32], n_mels: usize, range_db: f32, seed: u64) {
    let rng = &mut random::stream(seed, "disguise", 0);
    let cosines_db = EQUALISER_DB.map(|most| rng.random_range(-most..most));
    let frames = image.len() / n_mels;
    for (mel, row) in image.chunks_exact_mut(frames).enumerate() {
        let x = (mel as f32 + 0.5) / n_mels as f32;
        let gain_db: f32 =
            cosines_db.iter().enumerate().map(|(k, a)| a * (PI * k as f32 * x).cos()).sum();
        for value in row.iter_mut().filter(|value| **value > 0.0) {
            let noise_db = rng.random_range(-NOISE_DB..NOISE_DB);
            *value = (*value + (gain_db + noise_db) / range_db).clamp(0.0, 1.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_smooth_in_frequency_constant_in_time_and_seeded() {
        let plain = vec![0.5f32; 128 * 16];
        let changed = |seed| {
            let mut image = plain.clone();
            change_timbre(&mut image, 128, 80.0, seed);
            image
        };
        assert_eq!(changed(1), changed(1));
        let image = changed(1);
        let rows: Vec<f32> =
            image.chunks_exact(16).map(|row| row.iter().sum::<f32>() / 16.0).collect();
        let change_db = |a: f32, b: f32| 80.0 * (a - b).abs();
        assert!(rows.windows(2).all(|w| change_db(w[0], w[1]) < 2.5), "smooth");
        let flat =
            |row: &[f32], mean: f32| row.iter().all(|v| change_db(*v, mean) < 2.0 * NOISE_DB);
        assert!(image.chunks_exact(16).zip(&rows).all(|(row, mean)| flat(row, *mean)), "constant");
        // Different equalisers: some decibels between two seeds.
        let apart: f32 = image.iter().zip(changed(2)).map(|(a, b)| change_db(*a, b)).sum();
        assert!(apart / image.len() as f32 > 3.0, "{apart}");
        let mut silence = vec![0.0f32; 128 * 16];
        change_timbre(&mut silence, 128, 80.0, 3);
        assert!(silence.iter().all(|v| *v == 0.0));
    }
}
