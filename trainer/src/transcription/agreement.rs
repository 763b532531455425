//! How well two sets of notes agree.

use super::Note;

/// Onsets this near are the same, rounded to 0.1 ms (`mir_eval.transcription`).
const ONSET_TOLERANCE_S: f64 = 0.05;
/// Pitches this near are the same.
const PITCH_TOLERANCE_CENTS: f64 = 50.0;
/// The step in which [`pitch_jaccard_distance`] looks.
const STEP_S: f64 = 0.01;

/// How many notes were asked for, heard, and both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    /// Notes of the score.
    pub asked: usize,
    /// Notes that were heard.
    pub heard: usize,
    /// Notes of the score that were heard.
    pub found: usize,
}

impl Agreement {
    /// Harmonic mean of precision and recall, 0 to 1: note F1 ("onset only" in `mir_eval`).
    pub fn f1(&self) -> f64 {
        2.0 * self.found as f64 / (self.asked + self.heard).max(1) as f64
    }

    /// Notes heard that nobody asked for, as a share of those that were asked for.
    pub fn unasked(&self) -> f64 {
        (self.heard - self.found) as f64 / self.asked.max(1) as f64
    }
}

/// Matches notes one to one, as many as possible: onsets within 50 ms, pitches within 50 cents,
/// ends ignored (`mir_eval.transcription.match_notes` with `offset_ratio=None`).
pub fn agreement(score: &[Note], heard: &[Note]) -> Agreement {
    let same = |a: &Note, b: &Note| {
        let onset_s = ((a.onset_s - b.onset_s).abs() * 1e4).round_ties_even() / 1e4;
        onset_s <= ONSET_TOLERANCE_S && 100.0 * (a.pitch - b.pitch).abs() <= PITCH_TOLERANCE_CENTS
    };
    let near = |a: &Note| (0..heard.len()).filter(|&i| same(a, &heard[i])).collect();
    let near: Vec<Vec<usize>> = score.iter().map(near).collect();
    let mut of = vec![None; heard.len()];
    let mut match_one =
        |asked: &usize| augment(*asked, &near, &mut of, &mut vec![false; heard.len()]);
    let found = (0..score.len()).filter(|asked| match_one(asked)).count();
    Agreement { asked: score.len(), heard: heard.len(), found }
}

/// Finds a note for `asked`, if need be by moving others to another one (Kuhn 1955).
fn augment(
    asked: usize,
    near: &[Vec<usize>],
    of: &mut [Option<usize>],
    tried: &mut [bool],
) -> bool {
    for &heard in &near[asked] {
        if std::mem::replace(&mut tried[heard], true) {
            continue;
        }
        if of[heard].is_none_or(|other| augment(other, near, of, tried)) {
            of[heard] = Some(asked);
            return true;
        }
    }
    false
}

/// The Jaccard distance `1 - |A and B| / |A or B|` of the keys that sound, mean over the times at
/// which any of either does (after Cífka et al. 2021, who average over all times); 0 to 1.
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

/// The keys that sound at each step, a bit each.
fn keys_by_step(notes: &[Note], steps: usize) -> Vec<u128> {
    let mut keys = vec![0u128; steps];
    for note in notes {
        let at = |s: f64| ((s / STEP_S).round().max(0.0) as usize).min(steps);
        let bit = 1u128 << (note.pitch.round().clamp(0.0, 127.0) as u32);
        keys[at(note.onset_s)..at(note.offset_s).max(at(note.onset_s))]
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
    fn matching_is_one_to_one_and_as_large_as_possible() {
        // The first may take either, the second only the one that the first would take first.
        let score = [note(0.00, 1.0, 60.0), note(0.08, 1.0, 60.0), note(2.0, 3.0, 64.0)];
        let heard = [
            note(0.04, 1.0, 60.0),
            note(-0.04, 1.0, 60.0),
            note(2.0, 2.1, 64.4),
            note(2.0, 3.0, 65.0),
        ];
        let agreement = agreement(&score, &heard);
        assert_eq!(agreement, Agreement { asked: 3, heard: 4, found: 3 });
        assert!(
            (agreement.f1() - 6.0 / 7.0).abs() < 1e-12
                && (agreement.unasked() - 1.0 / 3.0).abs() < 1e-12
        );
    }

    #[test]
    fn the_distance_of_the_same_notes_is_0_of_others_1_and_of_nothing_0() {
        let a = [note(0.0, 1.0, 60.0), note(0.0, 1.0, 64.0)];
        assert_eq!(pitch_jaccard_distance(&a, &a), 0.0);
        assert_eq!(pitch_jaccard_distance(&a, &[note(0.0, 1.0, 61.0)]), 1.0);
        assert!((pitch_jaccard_distance(&a, &a[..1]) - 0.5).abs() < 1e-12);
        assert_eq!((pitch_jaccard_distance(&[], &[]), pitch_jaccard_distance(&a, &[])), (0.0, 1.0));
    }
}
