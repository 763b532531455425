//! Chooses the windows of a recording from which a style is computed.
//!
//! `docs/decisions/058-style-windows.md` contains the measurements behind the constants.

use super::block::Block;

/// Most windows of a style.
pub const WINDOWS_MAX: usize = 4;
/// Score of an eligible window relative to the best one.
const ELIGIBLE: f32 = 0.6;
/// Windows whose scores differ by less than one grade are equally good, so the earlier one is used.
const GRADES: f32 = 50.0;
/// Grades that a window may be worse if it follows another one without a gap.
const JOINED: u32 = 3;
/// With this many times the eligible windows of a style, the windows are spread over the recording.
const SPREAD: usize = 2;
/// The loud level is exceeded for at most this many blocks (6 s), and at most for 5% of them.
const LOUD_BLOCKS_MAX: usize = 16;
/// A recording ends where it remains this far below its loud level, in dB.
const ENDED_DB: f32 = 40.0;

/// A sequence of blocks, and how many of them are one window.
#[derive(Clone, Copy)]
pub struct Blocks<'a> {
    pub blocks: &'a [Block],
    pub per_window: usize,
}

/// The level in dBFS that the loud blocks exceed. Blocks with a pitch that lasts have priority, so
/// that louder clicks do not matter. `None` if there is only noise or silence.
pub fn loud_level_db(blocks: &[Block], silence_db: f32) -> Option<f32> {
    let levels = |suits: fn(&Block) -> bool| {
        let suitable = blocks.iter().filter(|block| suits(block));
        let mut levels: Vec<f32> =
            suitable.map(Block::level_db).filter(|level| *level > silence_db).collect();
        levels.sort_unstable_by(|a, b| b.total_cmp(a));
        levels
    };
    let mut levels_db = levels(Block::is_tone);
    // Single blocks at the edges of stationary noise look like percussion.
    if levels_db.is_empty() && !Block::mean(blocks).is_noise() {
        levels_db = levels(|block| !block.is_noise());
    }
    let rank = (levels_db.len() / 20).min(LOUD_BLOCKS_MAX - 1);
    levels_db.get(rank).copied()
}

/// Number of blocks before the recording ends, without quieter sound at its end.
pub fn end(blocks: &[Block], loud_db: f32) -> usize {
    let sounds = |block: &Block| !block.is_noise() && block.level_db() > loud_db - ENDED_DB;
    blocks.iter().rposition(sounds).map_or(0, |last| last + 1)
}

impl Blocks<'_> {
    /// The grade of every window, by its first block. 0 is not suitable.
    fn grades(&self, loud_db: f32) -> Vec<u32> {
        let scores: Vec<f32> = self.blocks.iter().map(|block| block.score(loud_db)).collect();
        let mean = |window: &[f32]| window.iter().sum::<f32>() / self.per_window as f32;
        scores.windows(self.per_window).map(|w| (GRADES * mean(w)).round() as u32).collect()
    }

    /// Whether consecutive windows from block `first` are as suitable as others would be.
    pub fn consecutive_suit(&self, first: usize, windows: usize, loud_db: f32) -> bool {
        let grades = self.grades(loud_db);
        let least = least_grade(&grades);
        let last = grades.len().saturating_sub(1);
        let grade = |k: usize| grades.get((first + k * self.per_window).min(last)).copied();
        (0..windows).all(|k| grade(k).is_none_or(|grade| grade >= least))
    }

    /// The first blocks of at most [`WINDOWS_MAX`] windows, in order and without overlap.
    pub fn choose(&self, loud_db: f32) -> Vec<usize> {
        let mut grades = self.grades(loud_db);
        let least = least_grade(&grades);
        grades.iter_mut().filter(|grade| **grade < least).for_each(|grade| *grade = 0);
        let eligible: Vec<usize> = (0..grades.len()).filter(|first| grades[*first] > 0).collect();
        if eligible.len() >= SPREAD * WINDOWS_MAX * self.per_window {
            self.spread(&grades, &eligible)
        } else {
            self.packed(&grades)
        }
    }

    /// The best window of each quarter of the eligible ones.
    fn spread(&self, grades: &[u32], eligible: &[usize]) -> Vec<usize> {
        let mut chosen: Vec<usize> = Vec::new();
        for quarter in 0..WINDOWS_MAX {
            let bound = |part: usize| part * eligible.len() / WINDOWS_MAX;
            let free_from = chosen.last().map_or(0, |last| last + self.per_window);
            let quarter = &eligible[bound(quarter)..bound(quarter + 1)];
            let free = quarter.iter().copied().filter(|first| *first >= free_from);
            // Of equal elements, `max_by_key` would return the last.
            chosen.extend(free.rev().max_by_key(|first| grades[*first]));
        }
        chosen
    }

    /// The windows with the largest sum of grades, by dynamic programming.
    fn packed(&self, grades: &[u32]) -> Vec<usize> {
        // Best sums of a number of windows: from a block on, and with the first one at the block.
        let mut from = vec![[0; WINDOWS_MAX + 1]; grades.len() + self.per_window];
        let mut at = from.clone();
        let joins = |at: &[[u32; WINDOWS_MAX + 1]], next: usize, count: usize| {
            if at[next][count] > 0 { at[next][count] + JOINED } else { 0 }
        };
        for first in (0..grades.len()).rev() {
            for count in 1..=WINDOWS_MAX {
                if grades[first] > 0 {
                    let next = first + self.per_window;
                    let rest = from[next][count - 1].max(joins(&at, next, count - 1));
                    at[first][count] = grades[first] + rest;
                }
                from[first][count] = at[first][count].max(from[first + 1][count]);
            }
        }
        let (mut chosen, mut first, mut count) = (Vec::new(), 0, WINDOWS_MAX);
        while first < grades.len() && count > 0 {
            if at[first][count] == 0 || at[first][count] < from[first][count] {
                first += 1;
                continue;
            }
            chosen.push(first);
            (first, count) = (first + self.per_window, count - 1);
            // The next window follows at once if that is best.
            if count > 0 && joins(&at, first, count) >= from[first][count] {
                from[first][count] = at[first][count];
            }
        }
        chosen
    }
}

fn least_grade(grades: &[u32]) -> u32 {
    let best = grades.iter().copied().max().unwrap_or(0);
    ((ELIGIBLE * best as f32).ceil() as u32).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENCE_DB: f32 = -90.0;

    fn tone(power: f32) -> Block {
        Block { power, quiet_power: power, pitched: 1.0, filled: 1.0 }
    }

    fn noise(power: f32) -> Block {
        Block { pitched: 0.0, ..tone(power) }
    }

    fn click() -> Block {
        Block { power: 0.1, quiet_power: 0.0, pitched: 0.8, filled: 0.06 }
    }

    /// Chooses windows of four blocks.
    fn chosen(parts: &[(usize, Block)]) -> Vec<usize> {
        let blocks: Vec<Block> =
            parts.iter().flat_map(|(count, block)| vec![*block; *count]).collect();
        let loud_db = loud_level_db(&blocks, SILENCE_DB).expect("no noise");
        Blocks { blocks: &blocks, per_window: 4 }.choose(loud_db)
    }

    #[test]
    fn noise_clicks_and_quiet_parts_are_not_chosen() {
        for lead in [noise(1e-5), noise(0.1), click(), tone(1e-6), Block::default()] {
            let after = chosen(&[(50, lead), (16, tone(0.01)), (30, lead)]);
            assert_eq!(after, [50, 54, 58, 62], "{lead:?}");
        }
    }

    #[test]
    fn the_windows_of_a_long_recording_are_spread_over_it() {
        assert_eq!(chosen(&[(403, tone(0.01))]), [0, 100, 200, 300]);
        let two_parts = [(100, tone(0.01)), (1000, noise(0.01)), (100, tone(0.01))];
        let starts = chosen(&two_parts);
        assert!(starts[0] == 0 && starts[1] < 100 && starts[2] >= 1098, "{starts:?}");
    }

    #[test]
    fn a_better_window_is_preferred_and_equal_ones_are_taken_from_the_beginning() {
        assert_eq!(chosen(&[(19, tone(0.01))]), [0, 4, 8, 12]);
        let half = Block { pitched: 0.6, ..tone(0.01) };
        let starts = chosen(&[(10, half), (8, tone(0.01)), (10, half)]);
        let covered =
            |block: usize| starts.iter().any(|first| (*first..first + 4).contains(&block));
        assert!((10..18).all(covered), "{starts:?}");
    }

    #[test]
    fn noise_between_silence_is_noise() {
        let edge = Block { power: 0.005, quiet_power: 0.0, pitched: 0.0, filled: 0.5 };
        let blocks = [vec![Block::default(); 9], vec![edge], vec![noise(0.01); 9], vec![edge]];
        assert_eq!(loud_level_db(&blocks.concat(), SILENCE_DB), None);
        assert!(loud_level_db(&[edge; 9], SILENCE_DB).is_some(), "percussion");
    }

    #[test]
    fn short_and_few_sounds_yield_fewer_windows() {
        assert_eq!(chosen(&[(20, noise(1e-5)), (9, tone(0.01)), (30, noise(1e-5))]).len(), 2);
        assert_eq!(chosen(&[(3, tone(0.01))]), [0; 0]);
    }

    #[test]
    fn the_loud_level_depends_on_tones_before_clicks_and_not_on_noise() {
        let blocks = [vec![noise(0.01); 40], vec![click(); 40], vec![tone(1e-6); 5]].concat();
        let loud_db = loud_level_db(&blocks, SILENCE_DB).expect("tones");
        assert!((loud_db + 60.0).abs() < 0.01, "{loud_db}");
        let loud_db = loud_level_db(&blocks[..80], SILENCE_DB).expect("clicks");
        assert!((loud_db + 10.0).abs() < 0.01, "{loud_db}");
        assert_eq!(loud_level_db(&blocks[..40], SILENCE_DB), None);
    }

    #[test]
    fn hum_in_long_pauses_is_not_the_loud_level() {
        let blocks = [vec![tone(1e-6); 5000], vec![tone(0.01); 27]].concat();
        let loud_db = loud_level_db(&blocks, SILENCE_DB).expect("tones");
        assert!((loud_db + 20.0).abs() < 0.01, "{loud_db}");
    }
}
