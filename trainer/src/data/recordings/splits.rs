//! Assigns recordings to splits.

use rand::Rng;

use super::description::Recording;
use crate::data::dataset::Split;
use crate::data::random;

/// Share of an instrument's recordings in the validation split, and also in the test split.
const HELD_OUT: f64 = 0.1;

/// Assigns a split to every recording without one.
///
/// All chunks of a recording are in one split. An instrument's recordings are sorted by a hash of
/// seed, instrument and name. The first fill validation and test up to a tenth each, the others
/// are for training. With at least two recordings, validation has one; with at least three, test
/// has one. A recording keeps its split when others are added, so that a model's test recordings
/// never become training data.
pub fn assign(recordings: &mut [Recording], seed: u64) {
    let rank = |r: &Recording| {
        random::stream(seed, &format!("side {}/{}", r.instrument, r.name), 0).random::<u64>()
    };
    let mut order: Vec<usize> =
        (0..recordings.len()).filter(|&i| recordings[i].split.is_none()).collect();
    order.sort_by_key(|&i| (rank(&recordings[i]), i));
    for i in order {
        let of_instrument = |r: &&Recording| r.instrument == recordings[i].instrument;
        let all = recordings.iter().filter(of_instrument).count();
        let on = |side| {
            recordings.iter().filter(of_instrument).filter(|r| r.split == Some(side)).count()
        };
        let tenth = (all as f64 * HELD_OUT).round() as usize;
        let split = if on(Split::Validation) < tenth.max(usize::from(all >= 2)) {
            Split::Validation
        } else if on(Split::Test) < tenth.max(usize::from(all >= 3)) {
            Split::Test
        } else {
            Split::Train
        };
        recordings[i].split = Some(split);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recordings(instrument: &str, count: usize) -> Vec<Recording> {
        let recording = |i: usize| Recording {
            instrument: instrument.into(),
            name: format!("take {i:03}"),
            file: String::new(),
            bytes: 0,
            sha256: String::new(),
            duration_s: 3.0,
            sounding_samples: [0, 66_150],
            chunks: 1,
            split: None,
        };
        (0..count).map(recording).collect()
    }

    fn counts(recordings: &[Recording]) -> [usize; 3] {
        Split::ALL.map(|side| recordings.iter().filter(|r| r.split == Some(side)).count())
    }

    #[test]
    fn every_instrument_has_its_shares() {
        for (count, expected) in
            [(1, [1, 0, 0]), (2, [1, 1, 0]), (3, [1, 1, 1]), (10, [8, 1, 1]), (200, [160, 20, 20])]
        {
            let mut harp = recordings("harp", count);
            harp.extend(recordings("violin", 7));
            assign(&mut harp, 1);
            assert_eq!(counts(&harp[..count]), expected, "{count} recordings");
            assert_eq!(counts(&harp[count..]), [5, 1, 1]);
        }
    }

    #[test]
    fn sides_depend_on_the_seed_and_never_move() {
        let sides = |seed| {
            let mut all = recordings("harp", 20);
            assign(&mut all, seed);
            all
        };
        assert_eq!(sides(1), sides(1));
        assert_ne!(sides(1), sides(2));
        let mut grown = sides(1);
        grown.extend(recordings("harp", 60).split_off(20));
        assign(&mut grown, 1);
        assert_eq!(grown[..20], sides(1)[..]);
        assert_eq!(counts(&grown), [48, 6, 6]);
    }
}
