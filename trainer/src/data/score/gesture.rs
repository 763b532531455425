//! Gestures: changes of pitch and level that apply to all notes at a time, as on a MIDI channel.

use std::f32::consts::{PI, TAU};

use serde::{Deserialize, Serialize};

/// Time in which a vibrato fades out.
const VIBRATO_REST_S: f32 = 0.05;
/// Level at the end of damping, where the rest of the sound is cut off inaudibly.
const DAMPED_DB: f32 = -60.0;

/// One gesture. Before and after it, pitch and level are those of the notes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gesture {
    /// Its start, in seconds from the start of the score. It is negative in a
    /// [`super::Score::window`] if it began before the window.
    pub onset_s: f32,
    /// Its duration, in seconds.
    pub duration_s: f32,
    /// Its kind.
    pub motion: Motion,
}

/// The kind of a gesture.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Motion {
    /// Changes the pitch along a contour in cents. A guitar's bends reach ±200.
    Bend(Contour),
    /// Oscillates the pitch.
    Vibrato {
        /// Oscillations per second; usually 4 to 7.
        rate_hz: f32,
        /// Amplitude of the pitch in cents: 10 is barely audible, 60 is typical of a singer.
        depth_cents: f32,
        /// Time until the full depth, in seconds.
        fade_in_s: f32,
    },
    /// Changes the level along a contour in decibels, 0 at most, because MIDI expression only
    /// attenuates.
    Swell(Contour),
    /// A hand on the strings: all notes fade to silence within the gesture's duration.
    Damping,
}

/// A value over time: from one value to another, constant, then back to 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contour {
    /// Initial value.
    pub from: f32,
    /// Value after the slide.
    pub to: f32,
    /// Duration of the slide, in seconds.
    pub slide_s: f32,
    /// Duration of the return to 0 at the end of the gesture, in seconds; 0 for a jump.
    pub return_s: f32,
}

impl Contour {
    /// The value `age_s` after the start and `left_s` before the end.
    fn value(&self, age_s: f32, left_s: f32) -> f32 {
        let slid = self.from + (self.to - self.from) * eased(share(age_s, self.slide_s));
        slid * eased(share(left_s, self.return_s))
    }
}

/// The share of a duration after `elapsed_s`, 0 to 1; 1 for a duration of 0.
fn share(elapsed_s: f32, duration_s: f32) -> f32 {
    if duration_s > 0.0 { (elapsed_s / duration_s).clamp(0.0, 1.0) } else { 1.0 }
}

/// Smooth transition from 0 to 1, half a cosine.
fn eased(share: f32) -> f32 {
    0.5 - 0.5 * (PI * share).cos()
}

impl Gesture {
    /// Its end, in seconds from the start of the score.
    pub fn end_s(&self) -> f32 {
        self.onset_s + self.duration_s
    }

    /// Whether a time is between its start and its end.
    pub fn spans(&self, time_s: f32) -> bool {
        (self.onset_s..self.end_s()).contains(&time_s)
    }

    /// The same gesture, `by_s` seconds later.
    pub fn later(&self, by_s: f32) -> Self {
        Self { onset_s: self.onset_s + by_s, ..*self }
    }

    /// Its effect at a time that it [spans](Self::spans).
    fn inflection(&self, time_s: f32) -> Inflection {
        let (age_s, left_s) = (time_s - self.onset_s, self.end_s() - time_s);
        let (cents, level_db) = match self.motion {
            Motion::Bend(contour) => (contour.value(age_s, left_s), 0.0),
            Motion::Vibrato { rate_hz, depth_cents, fade_in_s } => {
                let depth_cents =
                    depth_cents * share(age_s, fade_in_s) * share(left_s, VIBRATO_REST_S);
                (depth_cents * (TAU * rate_hz * age_s).sin(), 0.0)
            }
            Motion::Swell(contour) => (0.0, contour.value(age_s, left_s)),
            Motion::Damping => (0.0, DAMPED_DB * share(age_s, self.duration_s)),
        };
        Inflection { cents, level_db }
    }
}

/// Deviation of pitch and level from those of the notes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Inflection {
    /// Pitch, in cents.
    pub cents: f32,
    /// Level, in decibels.
    pub level_db: f32,
}

impl Inflection {
    /// The sum of all gestures at a time, in cents and in decibels.
    pub fn at_time(gestures: &[Gesture], time_s: f32) -> Self {
        let active = gestures.iter().filter(|g| g.spans(time_s)).map(|g| g.inflection(time_s));
        active.fold(Self::default(), |sum, one| Self {
            cents: sum.cents + one.cents,
            level_db: sum.level_db + one.level_db,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f32, expected: f32) {
        assert!((found - expected).abs() < 1e-3, "{found} instead of {expected}");
    }

    #[test]
    fn a_bend_slides_stays_and_returns() {
        let contour = Contour { from: -50.0, to: 150.0, slide_s: 0.2, return_s: 0.4 };
        let bend = [Gesture { onset_s: 1.0, duration_s: 2.0, motion: Motion::Bend(contour) }];
        let course = [
            (0.99, 0.0),
            (1.0, -50.0),
            (1.1, 50.0),
            (1.2, 150.0),
            (2.6, 150.0),
            (2.8, 75.0),
            (3.0, 0.0),
        ];
        for (time_s, cents) in course {
            near(Inflection::at_time(&bend, time_s).cents, cents);
            near(Inflection::at_time(&bend, time_s).level_db, 0.0);
        }
        let jump = Contour { from: 0.0, to: 100.0, slide_s: 0.0, return_s: 0.0 };
        let jump = [Gesture { onset_s: 1.0, duration_s: 1.0, motion: Motion::Bend(jump) }];
        for (time_s, cents) in [(0.99, 0.0), (1.0, 100.0), (1.99, 100.0), (2.0, 0.0)] {
            near(Inflection::at_time(&jump, time_s).cents, cents);
        }
    }

    #[test]
    fn gestures_add_up() {
        let vibrato = Motion::Vibrato { rate_hz: 5.0, depth_cents: 40.0, fade_in_s: 0.5 };
        let up = Motion::Bend(Contour { from: 100.0, to: 100.0, slide_s: 0.0, return_s: 0.0 });
        let soft = Motion::Swell(Contour { from: -6.0, to: -6.0, slide_s: 0.0, return_s: 0.0 });
        let all =
            [vibrato, up, soft].map(|motion| Gesture { onset_s: 0.0, duration_s: 4.0, motion });
        near(Inflection::at_time(&all, 1.05).cents, 140.0);
        near(Inflection::at_time(&all, 0.25).cents, 100.0 + 0.5 * 40.0);
        near(Inflection::at_time(&all, 1.05).level_db, -6.0);
    }

    #[test]
    fn a_damping_ends_in_silence() {
        let hand = [Gesture { onset_s: 0.5, duration_s: 0.04, motion: Motion::Damping }];
        near(Inflection::at_time(&hand, 0.52).level_db, 0.5 * DAMPED_DB);
        assert_eq!(Inflection::at_time(&hand, 0.54), Inflection::default());
    }
}
