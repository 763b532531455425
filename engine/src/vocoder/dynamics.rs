//! The bound on the distance between the short-term levels of content and target.
//!
//! See `docs/decisions/061-dynamics-of-the-input.md`.
//!
//! ```
//! use engine::config::MelConfig;
//! use engine::image::MelImage;
//! use engine::vocoder::dynamics::{Dynamics, DynamicsRequest};
//!
//! let mel = MelConfig::default();
//! let content = MelImage::filled(128, 128, 0.7);
//! let mut target = MelImage::filled(128, 128, 0.9);
//! // 0.1 of an image's range is 8 dB, so the target is 16 dB louder than the content.
//! let request =
//!     DynamicsRequest { content: &content, stream_start: true, makeup_db: 0.0, share: 1.0 };
//! Dynamics::new(&mel).apply(&request, &mut target);
//! assert!((target.value(60, 0) - 0.7625).abs() < 1e-3); // 5 dB louder
//! ```

use std::ops::Range;

use crate::config::MelConfig;
use crate::dsp::mel::MelFilterbank;
use crate::image::MelImage;

/// Largest distance up to [`LIMIT_SECONDS`]`.0` after an onset, and from `.1` on.
const LIMIT_DB: (f32, f32) = (5.0, 1.5);
/// Times after an onset between which the limit decreases.
const LIMIT_SECONDS: (f32, f32) = (0.5, 2.5);
/// Half of the duration over which a level is measured.
const HALF_SECONDS: f32 = 0.17;
/// Largest boost of a target that is too quiet. Beyond it, the content fills the rest.
const MAX_AMPLIFICATION_DB: f32 = 30.0;
/// Largest distance of an amplified band from the content's.
const MAX_BAND_DB: f32 = 8.0;
/// Values up to this one do not count as sound: a decoder's output for silence is not exactly 0.
const RESIDUE: f32 = 0.04;
/// Distances of a frame's loudest band from the floor. Up to the first one, the target is the
/// content. From the second one on, it is the model's.
const QUIET_DB: (f32, f32) = (12.0, 28.0);
/// Frames between a frame and the earlier ones with which it is compared: more than the overlap of
/// two STFT frames.
const ONSET_LAG: Range<usize> = 4..8;
/// Rise of a band at an onset.
const ONSET_DB: f32 = 9.0;
/// Part of the frame's power in bands that rise at an onset.
const ONSET_SHARE: f32 = 0.2;
/// Additional distance of the level up to a frame, without the frames after it. A target that rises
/// before the content's onset exceeds it.
const BEFORE_DB: f32 = 4.0;
/// A correction changes the levels of its neighbours, so it is computed twice.
const PASSES: usize = 2;

/// The content of a window and its parameters.
#[derive(Clone, Copy, Debug)]
pub struct DynamicsRequest<'a> {
    /// The content's image.
    pub content: &'a MelImage,
    /// Whether frame 0 is the start of the stream. It then counts as an onset.
    pub stream_start: bool,
    /// Gain of the output after the vocoder, in dB.
    pub makeup_db: f32,
    /// Share of the correction: 0 keeps the target's dynamics, 1 those of the content.
    pub share: f32,
}

/// Moves the levels of a target image to those of its content.
///
/// The short-term level is the mean power of 15 frames (348 ms by default). Its distance to the
/// content's is at most 5 dB within 0.5 s after an onset of the content, and 1.5 dB later than
/// 2.5 s. So a held or fading note has a steady level across windows, which do not know each other.
/// An onset is a frame with 20 % of its power in bands that rise by 9 dB.
///
/// Images are independent: no state is kept between windows.
pub struct Dynamics {
    range_db: f32,
    frame_seconds: f32,
    half_frames: usize,
    /// Factor from mel power to power, per band.
    bandwidths: Vec<f32>,
}

impl Dynamics {
    /// The bound for images of `mel`.
    pub fn new(mel: &MelConfig) -> Self {
        let rate_hz = mel.sample_rate_hz as f32;
        let bank = MelFilterbank::with_range(rate_hz, mel.n_fft, mel.n_mels, 0.0, rate_hz / 2.0);
        let centers = bank.band_centers_hz();
        let centre = |m: usize| centers.get(m).copied().unwrap_or(rate_hz / 2.0);
        let below = |m: usize| if m == 0 { 0.0 } else { centre(m - 1) };
        let frame_seconds = mel.hop_length as f32 / rate_hz;
        Self {
            range_db: mel.range_db,
            frame_seconds,
            half_frames: (HALF_SECONDS / frame_seconds).round() as usize,
            bandwidths: (0..mel.n_mels).map(|m| (centre(m + 1) - below(m)) / 2.0).collect(),
        }
    }

    /// Corrects `target`.
    ///
    /// # Panics
    /// If the images differ in size.
    pub fn apply(&self, request: &DynamicsRequest, target: &mut MelImage) {
        let content = request.content;
        assert_eq!(
            (content.n_mels, content.frames),
            (target.n_mels, target.frames),
            "images of equal size"
        );
        if request.share <= 0.0 {
            return;
        }
        let original = target.clone();
        self.fade_quiet_frames(content, target);
        let content_levels = self.levels(content);
        let limits_db = self.limits_db(content, request.stream_start);
        for _ in 0..PASSES {
            let target_levels = self.levels(target);
            for t in 0..target.frames {
                let levels = [content_levels[t], target_levels[t]];
                self.correct(t, levels, limits_db[t], request, target);
            }
        }
        for (value, original) in target.data.iter_mut().zip(&original.data) {
            *value = original + (*value - original) * request.share;
        }
    }

    /// The power of an image's value in its band. 1 is the floor of the image.
    fn power(&self, value: f32) -> f32 {
        if value > RESIDUE { 10f32.powf(value.min(1.0) * self.range_db / 10.0) } else { 0.0 }
    }

    /// The levels of every frame.
    fn levels(&self, image: &MelImage) -> Vec<FrameLevel> {
        let mut powers = vec![0.0; image.frames];
        for (row, bandwidth) in image.data.chunks_exact(image.frames).zip(&self.bandwidths) {
            for (power, &value) in powers.iter_mut().zip(row) {
                *power += bandwidth * self.power(value);
            }
        }
        let mean = |frames: Range<usize>| {
            let near = &powers[frames.start..frames.end.min(image.frames)];
            near.iter().sum::<f32>() / near.len() as f32
        };
        let level = |t: usize| {
            let start = t.saturating_sub(self.half_frames);
            FrameLevel { around: mean(start..t + self.half_frames + 1), before: mean(start..t + 1) }
        };
        (0..image.frames).map(level).collect()
    }

    /// The limit of every frame.
    fn limits_db(&self, content: &MelImage, stream_start: bool) -> Vec<f32> {
        let (start, end) = LIMIT_SECONDS;
        let mut since_seconds = if stream_start { 0.0 } else { end };
        let limit_db = |t: usize| {
            since_seconds =
                if self.is_onset(content, t) { 0.0 } else { since_seconds + self.frame_seconds };
            let late = ((since_seconds - start) / (end - start)).clamp(0.0, 1.0);
            LIMIT_DB.0 + (LIMIT_DB.1 - LIMIT_DB.0) * late
        };
        (0..content.frames).map(limit_db).collect()
    }

    fn is_onset(&self, content: &MelImage, t: usize) -> bool {
        if t < ONSET_LAG.start {
            return false;
        }
        let earlier = (t + 1).saturating_sub(ONSET_LAG.end)..t + 1 - ONSET_LAG.start;
        let (mut risen, mut all) = (0.0, 0.0);
        for (row, bandwidth) in content.data.chunks_exact(content.frames).zip(&self.bandwidths) {
            let before = row[earlier.clone()].iter().copied().fold(0.0, f32::max);
            let power = bandwidth * self.power(row[t]);
            all += power;
            if (row[t] - before) * self.range_db > ONSET_DB {
                risen += power;
            }
        }
        risen > ONSET_SHARE * all
    }

    /// Replaces the target by the content in frames that are near the floor. Their images contain
    /// little of them, and the model's target there is a guess.
    fn fade_quiet_frames(&self, content: &MelImage, target: &mut MelImage) {
        for t in 0..content.frames {
            let loudest = (0..content.n_mels).map(|m| content.value(m, t)).fold(0.0, f32::max);
            let (dry, wet) = QUIET_DB;
            let share = ((wet - loudest * self.range_db) / (wet - dry)).clamp(0.0, 1.0);
            if share > 0.0 {
                for (target, content) in column(target, t).zip(column_values(content, t)) {
                    *target += (content - *target) * share;
                }
            }
        }
    }

    /// Moves one frame of the target to its limit. `levels` are the content's and the target's.
    fn correct(
        &self,
        t: usize,
        levels: [FrameLevel; 2],
        limit_db: f32,
        request: &DynamicsRequest,
        target: &mut MelImage,
    ) {
        let [content_level, target_level] = levels;
        if content_level.around <= 0.0 {
            return;
        }
        let ratio = target_level.around / content_level.around;
        let to_db = |ratio: f32| 10.0 * ratio.max(1e-12).log10() + request.makeup_db;
        let distance_db = to_db(ratio);
        let before_db = to_db(target_level.before / content_level.before.max(1.0));
        let excess_db = (distance_db - limit_db).max(before_db - limit_db - BEFORE_DB);
        if excess_db > 0.0 {
            let cut = excess_db / self.range_db;
            column(target, t).for_each(|value| *value = (*value - cut).max(0.0));
        } else if distance_db < -limit_db {
            let boost_db = (-limit_db - distance_db).min(MAX_AMPLIFICATION_DB);
            let wanted = 10f32.powf((-limit_db - request.makeup_db) / 10.0);
            let filled = (wanted - ratio * 10f32.powf(boost_db / 10.0)).max(0.0);
            for (value, content) in column(target, t).zip(column_values(request.content, t)) {
                // A band is not amplified far above the content's, where there is little sound.
                let highest = value.max(content + MAX_BAND_DB / self.range_db);
                let boost = boost_db / self.range_db * (*value / RESIDUE).min(1.0);
                let boosted = (*value + boost).min(highest);
                let power = self.power(boosted) + filled * self.power(content);
                *value = (10.0 * power.max(1.0).log10() / self.range_db).min(1.0);
            }
        }
    }
}

/// The mean powers at one frame.
#[derive(Clone, Copy, Debug)]
struct FrameLevel {
    /// Of the frames before and after it.
    around: f32,
    /// Of the frames up to it.
    before: f32,
}

/// The values of one frame.
fn column_values(image: &MelImage, t: usize) -> impl Iterator<Item = f32> + '_ {
    image.data.chunks_exact(image.frames).map(move |row| row[t])
}

/// The values of one frame, mutable.
fn column(image: &mut MelImage, t: usize) -> impl Iterator<Item = &mut f32> + '_ {
    image.data.chunks_exact_mut(image.frames).map(move |row| &mut row[t])
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAMES: usize = 128;

    /// An image with one value per frame, in eight neighbouring bands.
    fn image(value: impl Fn(usize) -> f32) -> MelImage {
        let mut image = MelImage::filled(128, FRAMES, 0.0);
        for (m, row) in image.data.chunks_exact_mut(FRAMES).enumerate() {
            if (40..48).contains(&m) {
                row.iter_mut().enumerate().for_each(|(t, v)| *v = value(t));
            }
        }
        image
    }

    /// The distance of target and content in dB in every frame, after the correction.
    fn distances_db(content: &MelImage, target: &MelImage, stream_start: bool) -> Vec<f32> {
        let request = DynamicsRequest { content, stream_start, makeup_db: 0.0, share: 1.0 };
        let (mel, mut target) = (MelConfig::default(), target.clone());
        Dynamics::new(&mel).apply(&request, &mut target);
        (0..FRAMES).map(|t| (target.value(44, t) - content.value(44, t)) * mel.range_db).collect()
    }

    #[test]
    fn a_long_note_has_the_level_of_the_content() {
        // A target that decays by 60 dB, and one that does not follow a fade-out.
        let held = image(|_| 0.8);
        let decayed = distances_db(&held, &image(|t| 0.8 - 0.75 * t as f32 / 127.0), false);
        assert!(decayed.iter().all(|db| db.abs() < 2.0), "{decayed:?}");
        let fading = image(|t| 0.8 - 0.4 * t as f32 / 127.0);
        let swelling = distances_db(&fading, &image(|_| 0.8), false);
        assert!(swelling.iter().all(|db| db.abs() < 2.0), "{swelling:?}");
    }

    #[test]
    fn an_onset_widens_the_limit() {
        let target = image(|_| 0.95);
        let start = distances_db(&image(|_| 0.8), &target, true);
        assert!((start[10] - 5.0).abs() < 0.1 && (start[127] - 1.5).abs() < 0.1, "{start:?}");
        let onset = distances_db(&image(|t| if t < 40 { 0.5 } else { 0.8 }), &target, false);
        assert!((onset[20] - 1.5).abs() < 0.2 && (onset[60] - 5.0).abs() < 0.2, "{onset:?}");
    }

    #[test]
    fn a_target_within_the_limit_is_unchanged() {
        let (content, target) = (image(|_| 0.8), image(|_| 0.81));
        assert!(distances_db(&content, &target, false).iter().all(|db| (db - 0.8).abs() < 1e-3));
    }

    #[test]
    fn a_vanished_target_is_filled_by_the_content() {
        let filled = distances_db(&image(|_| 0.8), &image(|_| 0.0), false);
        assert!(filled.iter().all(|db| (db + 1.5).abs() < 0.1), "{filled:?}");
    }

    #[test]
    fn a_target_does_not_rise_before_the_onset() {
        let content = image(|t| if t < 60 { 0.6 } else { 0.9 });
        let early = image(|t| if t < 56 { 0.6 } else { 0.9 });
        let distances = distances_db(&content, &early, false);
        assert!(distances[59] < 14.0, "{distances:?}"); // Without the correction: 24 dB.
    }

    #[test]
    fn a_frame_near_the_floor_is_the_contents() {
        let distances = distances_db(&image(|_| 0.1), &image(|_| 0.6), true);
        assert!(distances.iter().all(|db| db.abs() < 1e-3), "{distances:?}");
    }

    #[test]
    fn the_share_and_the_makeup_gain_count() {
        let mel = MelConfig::default();
        let content = image(|_| 0.8);
        let after = |share: f32, makeup_db: f32| {
            let mut target = image(|_| 0.95);
            let request =
                DynamicsRequest { content: &content, stream_start: false, makeup_db, share };
            Dynamics::new(&mel).apply(&request, &mut target);
            (target.value(44, 64) - 0.8) * mel.range_db
        };
        let db = [after(0.0, 0.0), after(0.5, 0.0), after(1.0, 0.0), after(1.0, 1.0)];
        for (db, expected) in db.iter().zip([12.0, 6.75, 1.5, 0.5]) {
            assert!((db - expected).abs() < 0.05, "{db} {expected}");
        }
    }

    #[test]
    fn silence_stays_silent() {
        let silence = image(|_| 0.0);
        let mut target = silence.clone();
        let request =
            DynamicsRequest { content: &silence, stream_start: true, makeup_db: 3.0, share: 1.0 };
        Dynamics::new(&MelConfig::default()).apply(&request, &mut target);
        assert_eq!(target, silence);
    }
}
