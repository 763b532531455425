//! Agreement of two sets of notes.

use super::Note;

/// Onset tolerance, after rounding to 0.1 ms (`mir_eval.transcription`).
const ONSET_TOLERANCE_S: f64 = 0.05;
/// Pitch tolerance.
const PITCH_TOLERANCE_CENTS: f64 = 50.0;
/// Time step of [`pitch_jaccard_distance`].
const STEP_S: f64 = 0.01;

/// Numbers of notes in the score, in the transcription and in both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    /// Notes of the score.
    pub score: usize,
    /// Transcribed notes.
    pub transcribed: usize,
    /// Notes of the score with a matching transcribed note.
    pub matched: usize,
}

impl Agreement {
    /// Harmonic mean of precision and recall, 0 to 1: note F1 ("onset only" in `mir_eval`).
    pub fn f1(&self) -> f64 {
        2.0 * self.matched as f64 / (self.score + self.transcribed).max(1) as f64
    }

    /// Transcribed notes without a match, divided by the number of notes in the score.
    pub fn extra(&self) -> f64 {
        (self.transcribed - self.matched) as f64 / self.score.max(1) as f64
    }
}

/// Matches notes one to one with the maximum number of pairs. Onsets must be within 50 ms and
/// pitches within 50 cents; ends are ignored (`mir_eval.transcription.match_notes` with
/// `offset_ratio=None`).
pub fn agreement(score: &[Note], transcribed: &[Note]) -> Agreement {
    let same = |a: &Note, b: &Note| {
        let onset_s = ((a.onset_s - b.onset_s).abs() * 1e4).round_ties_even() / 1e4;
        onset_s <= ONSET_TOLERANCE_S && 100.0 * (a.pitch - b.pitch).abs() <= PITCH_TOLERANCE_CENTS
    };
    let near = |a: &Note| (0..transcribed.len()).filter(|&i| same(a, &transcribed[i])).collect();
    let near: Vec<Vec<usize>> = score.iter().map(near).collect();
    let mut matches = vec![None; transcribed.len()];
    let mut match_one =
        |note: &usize| augment(*note, &near, &mut matches, &mut vec![false; transcribed.len()]);
    let matched = (0..score.len()).filter(|note| match_one(note)).count();
    Agreement { score: score.len(), transcribed: transcribed.len(), matched }
}

/// Finds a match for a score note, and reassigns other matches if necessary (Kuhn 1955).
fn augment(
    note: usize,
    near: &[Vec<usize>],
    matches: &mut [Option<usize>],
    visited: &mut [bool],
) -> bool {
    for &candidate in &near[note] {
        if std::mem::replace(&mut visited[candidate], true) {
            continue;
        }
        if matches[candidate].is_none_or(|other| augment(other, near, matches, visited)) {
            matches[candidate] = Some(note);
            return true;
        }
    }
    false
}

/// The Jaccard distance `1 - |A and B| / |A or B|` of the sounding keys, 0 to 1. It is averaged
/// over the times at which any key sounds (Cífka et al. 2021 average over all times).
pub fn pitch_jaccard_distance(a: &[Note], b: &[Note]) -> f64 {
    let steps = a.iter().chain(b).map(|n| n.offset_s / STEP_S).fold(0.0, f64::max).ceil() as usize;
    let (a, b) = (keys_by_step(a, steps), keys_by_step(b, steps));
    let sounding = a.iter().zip(&b).filter(|(a, b)| *a | *b != 0);
    let distance = |(a, b): (&u128, &u128)| {
        1.0 - f64::from((a & b).count_ones()) / f64::from((a | b).count_ones())
    };
    let (sum, count) =
        sounding.map(distance).fold((0.0, 0u32), |(sum, count), d| (sum + d, count + 1));
    sum / f64::from(count.max(1))
}

/// The sounding keys at each step, one bit each.
fn keys_by_step(notes: &[Note], steps: usize) -> Vec<u128> {
    let mut keys = vec![0u128; steps];
    for note in notes {
        let step = |s: f64| ((s / STEP_S).round().max(0.0) as usize).min(steps);
        let bit = 1u128 << (note.pitch.round().clamp(0.0, 127.0) as u32);
        keys[step(note.onset_s)..step(note.offset_s).max(step(note.onset_s))]
            .iter_mut()
            .for_each(|k| *k |= bit);
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(onset_s: f64, offset_s: f64, pitch: f64) -> Note {
        Note { onset_s, offset_s, pitch }
    }

    #[test]
    fn matching_is_one_to_one_and_maximal() {
        // The first note matches two notes. The second matches only the one that the first tries
        // first.
        let score = [note(0.00, 1.0, 60.0), note(0.08, 1.0, 60.0), note(2.0, 3.0, 64.0)];
        let transcribed = [
            note(0.04, 1.0, 60.0),
            note(-0.04, 1.0, 60.0),
            note(2.0, 2.1, 64.4),
            note(2.0, 3.0, 65.0),
        ];
        let agreement = agreement(&score, &transcribed);
        assert_eq!(agreement, Agreement { score: 3, transcribed: 4, matched: 3 });
        assert!(
            (agreement.f1() - 6.0 / 7.0).abs() < 1e-12
                && (agreement.extra() - 1.0 / 3.0).abs() < 1e-12
        );
    }

    #[test]
    fn equal_notes_have_distance_0_and_different_notes_1() {
        let a = [note(0.0, 1.0, 60.0), note(0.0, 1.0, 64.0)];
        assert_eq!(pitch_jaccard_distance(&a, &a), 0.0);
        assert_eq!(pitch_jaccard_distance(&a, &[note(0.0, 1.0, 61.0)]), 1.0);
        assert!((pitch_jaccard_distance(&a, &a[..1]) - 0.5).abs() < 1e-12);
        assert_eq!((pitch_jaccard_distance(&[], &[]), pitch_jaccard_distance(&a, &[])), (0.0, 1.0));
    }
}
