//! Detects the notes of a score in a recording, note by note and without a trained transcriber.
//!
//! The *salience* of a pitch is the sum of the square roots of its first partials' amplitudes,
//! shortly after an onset. A note is detected if its pitch is more salient than both neighbours a
//! semitone away, and more salient than just before its onset. A detected pitch that is not in the
//! score is a false note. Octaves and twelfths of sounding notes share their partials, so they are
//! not tested.

use crate::score::{Note, pitch_hz};
use crate::spectrum::Section;

const PARTIALS: usize = 6;
/// Search range of a partial in cents, because of inharmonicity and vibrato.
const TOLERANCE_CENTS: [f64; 3] = [-18.0, 0.0, 18.0];
/// Minimum ratio of a pitch's salience to its neighbours'.
const MARGIN: f64 = 1.15;
/// Minimum ratio of a pitch's salience to that before its onset.
const RISE: f64 = 1.05;
/// Minimum salience of a false note, relative to the weakest true note at the same time.
const AUDIBLE: f64 = 0.6;
/// Time for which a released note may still sound.
const RING_S: f64 = 0.6;
/// Intervals in semitones with shared partials.
const CONSONANT: [i16; 9] = [0, 12, 19, 24, 28, 31, 34, 36, 7];
/// Maximum distance of the onsets of a chord.
const CHORD_S: f64 = 0.03;

/// Counts of expected, detected and false notes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Judgement {
    /// Notes of the score.
    pub expected: usize,
    /// Detected notes of the score.
    pub found: usize,
    /// Detected pitches that are not in the score.
    pub false_notes: usize,
}

impl Judgement {
    /// Share of the score's notes that were detected.
    pub fn recall(&self) -> f64 {
        self.found as f64 / self.expected.max(1) as f64
    }

    /// Share of the detected notes that are in the score.
    pub fn precision(&self) -> f64 {
        self.found as f64 / (self.found + self.false_notes).max(1) as f64
    }
}

/// Compares a mono recording with a score.
pub fn judge(signal: &[f32], sample_rate_hz: u32, score: &[Note]) -> Judgement {
    let mut judgement = Judgement { expected: score.len(), ..Judgement::default() };
    let mut rest = score;
    while let Some(first) = rest.first() {
        let size = rest.iter().take_while(|note| note.onset_s - first.onset_s < CHORD_S).count();
        let (chord, later) = rest.split_at(size);
        rest = later;
        let moment = Moment::new(signal, sample_rate_hz, first.onset_s);
        let around = sounding(score, first.onset_s);
        judge_chord(&mut judgement, &moment, chord, &around);
    }
    judgement
}

fn judge_chord(judgement: &mut Judgement, moment: &Moment, chord: &[Note], around: &[u8]) {
    let mut weakest = f64::INFINITY;
    for note in chord {
        let repeated = around.iter().filter(|&&p| p == note.pitch).count() > 1;
        weakest = weakest.min(moment.after(note.pitch));
        judgement.found += usize::from(
            moment.stands_out(note.pitch, around) && (repeated || moment.rises(note.pitch)),
        );
    }
    let (low, high) = (chord.iter().map(|n| n.pitch).min(), chord.iter().map(|n| n.pitch).max());
    let (Some(low), Some(high)) = (low, high) else { return };
    for pitch in low.saturating_sub(7)..=high.saturating_add(7) {
        let related = |&p: &u8| CONSONANT.contains(&(i16::from(p) - i16::from(pitch)).abs());
        let false_notes = !around.iter().any(related)
            && moment.after(pitch) > AUDIBLE * weakest
            && moment.stands_out(pitch, around)
            && moment.rises(pitch);
        judgement.false_notes += usize::from(false_notes);
    }
}

/// Pitches that sound, or may still sound, shortly after a time.
fn sounding(score: &[Note], at_s: f64) -> Vec<u8> {
    let sounds = |note: &&Note| note.onset_s < at_s + CHORD_S && note.release_s + RING_S > at_s;
    score.iter().filter(sounds).map(|note| note.pitch).collect()
}

/// The signal just before and shortly after an onset.
struct Moment {
    before: Section,
    after: Section,
    sample_rate_hz: f64,
}

impl Moment {
    fn new(signal: &[f32], sample_rate_hz: u32, onset_s: f64) -> Self {
        let rate = f64::from(sample_rate_hz);
        let len = (0.2 * rate) as usize;
        let start = |s: f64| (s * rate) as isize;
        Self {
            before: Section::new(signal, start(onset_s - 0.21), len),
            after: Section::new(signal, start(onset_s + 0.02), len),
            sample_rate_hz: rate,
        }
    }

    fn salience(&self, section: &Section, pitch: f64) -> f64 {
        (1..=PARTIALS)
            .map(|partial| {
                let cents = TOLERANCE_CENTS
                    .iter()
                    .map(|c| pitch_hz(pitch + c / 100.0) * partial as f64 / self.sample_rate_hz);
                let strongest =
                    cents.filter(|f| *f < 0.45).map(|f| section.amplitude(f)).fold(0.0, f64::max);
                strongest.sqrt()
            })
            .sum()
    }

    fn after(&self, pitch: u8) -> f64 {
        self.salience(&self.after, f64::from(pitch))
    }

    fn rises(&self, pitch: u8) -> bool {
        self.after(pitch) > RISE * self.salience(&self.before, f64::from(pitch))
    }

    /// Whether a pitch is more salient than its neighbours that are not in the score.
    fn stands_out(&self, pitch: u8, around: &[u8]) -> bool {
        let neighbours = [pitch.saturating_sub(1), pitch.saturating_add(1)];
        let mut silent = neighbours.iter().filter(|p| !around.contains(p));
        silent.all(|&p| self.after(pitch) > MARGIN * self.after(p))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE_HZ: u32 = 22_050;

    /// A score of two voices with onsets every 0.3 s.
    fn score() -> Vec<Note> {
        let upper = [72, 76, 79, 74, 77, 71, 72, 67, 69, 65, 74, 72];
        let lower = [48, 55, 52, 53, 57, 50, 52, 48, 53, 50, 55, 48];
        let notes = upper.iter().zip(&lower).enumerate().flat_map(|(i, (&u, &l))| {
            let onset_s = 0.3 + 0.3 * i as f64;
            [u, l].map(|pitch| Note { onset_s, release_s: onset_s + 0.28, pitch })
        });
        notes.collect()
    }

    fn play(score: &[Note]) -> Vec<f32> {
        let mut signal = vec![0.0_f32; 5 * RATE_HZ as usize];
        for note in score {
            let start = (note.onset_s * f64::from(RATE_HZ)) as usize;
            for n in 0..(0.5 * f64::from(RATE_HZ)) as usize {
                let time = n as f64 / f64::from(RATE_HZ);
                let ringing = if time < 0.28 {
                    (-time * 3.0).exp()
                } else {
                    (-0.84 - (time - 0.28) * 30.0).exp()
                };
                let phase = std::f64::consts::TAU * pitch_hz(f64::from(note.pitch)) * time;
                let tone: f64 = (1..8).map(|h| (phase * f64::from(h)).sin() / f64::from(h)).sum();
                signal[start + n] += (0.1 * ringing * (time / 0.005).min(1.0) * tone) as f32;
            }
        }
        signal
    }

    #[test]
    fn a_score_is_detected_in_its_performance() {
        let judgement = judge(&play(&score()), RATE_HZ, &score());
        assert!(judgement.recall() > 0.95 && judgement.precision() > 0.9, "{judgement:?}");
    }

    #[test]
    fn a_transposed_score_is_not_detected() {
        for semitones in [-1, 1, 2] {
            let wrong: Vec<Note> = score()
                .iter()
                .map(|n| Note { pitch: n.pitch.saturating_add_signed(semitones), ..*n })
                .collect();
            let judgement = judge(&play(&score()), RATE_HZ, &wrong);
            assert!(judgement.recall() < 0.35, "{semitones}: {judgement:?}");
        }
    }

    #[test]
    fn a_late_score_is_not_detected() {
        let late: Vec<Note> = score()
            .iter()
            .map(|n| Note { onset_s: n.onset_s + 0.15, release_s: n.release_s + 0.15, ..*n })
            .collect();
        let judgement = judge(&play(&score()), RATE_HZ, &late);
        assert!(judgement.recall() < 0.35, "{judgement:?}");
    }

    #[test]
    fn another_piece_is_not_detected() {
        let mut pitches: Vec<u8> = score().iter().map(|n| n.pitch).collect();
        pitches.reverse();
        let other: Vec<Note> =
            score().iter().zip(pitches).map(|(n, pitch)| Note { pitch, ..*n }).collect();
        let judgement = judge(&play(&score()), RATE_HZ, &other);
        assert!(judgement.recall() < 0.6 && judgement.precision() < 0.75, "{judgement:?}");
    }

    #[test]
    fn noise_has_no_notes() {
        let mut state = 1_u64;
        let noise: Vec<f32> = (0..5 * RATE_HZ)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 40) as f32 / (1 << 23) as f32 - 1.0
            })
            .collect();
        let judgement = judge(&noise, RATE_HZ, &score());
        assert!(judgement.recall() < 0.4, "{judgement:?}");
    }
}
