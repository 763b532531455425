//! A setup: soundfont, programs and recording chain.

use engine::Result;
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::data::augment::chain::Chain;
use crate::data::random;
use crate::data::score::instruments::Instrument;
use crate::data::soundfont::synth::SoundBank;

/// A soundfont, one of its programs for each instrument, and a recording chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// Index into the description's soundfonts.
    pub soundfont: usize,
    /// General MIDI program of each instrument, counted from 0.
    pub programs: Vec<u8>,
    /// The recording chain.
    pub chain: Chain,
}

impl Setup {
    /// The pool: `setups_per_font` setups for each soundfont. The first setup of each soundfont
    /// has typical programs and no recording chain.
    ///
    /// # Errors
    /// If a soundfont lacks one of the programs.
    pub fn pool(
        seed: u64,
        banks: &[SoundBank],
        instruments: &[Instrument],
        setups_per_font: usize,
    ) -> Result<Vec<Self>> {
        let mut pool = Vec::new();
        for (soundfont, bank) in banks.iter().enumerate() {
            for number in 0..setups_per_font {
                let rng = &mut random::stream(seed, "setup", (soundfont * 1000 + number) as u64);
                let setup = match number {
                    0 => Self::plain(soundfont, instruments),
                    _ => Self::draw(rng, soundfont, instruments),
                };
                setup.check(bank)?;
                pool.push(setup);
            }
        }
        Ok(pool)
    }

    /// Typical programs and no recording chain.
    fn plain(soundfont: usize, instruments: &[Instrument]) -> Self {
        let programs = instruments.iter().map(|i| i.programs[0]).collect();
        Self { soundfont, programs, chain: Chain::default() }
    }

    /// Random programs and a random chain.
    pub fn draw(rng: &mut ChaCha8Rng, soundfont: usize, instruments: &[Instrument]) -> Self {
        let program =
            |i: &Instrument| *i.programs.choose(rng).expect("every instrument has a program");
        let programs = instruments.iter().map(program).collect();
        Self { soundfont, programs, chain: Chain::draw(rng) }
    }

    /// Checks that the soundfont has all programs.
    ///
    /// # Errors
    /// If one is missing.
    pub fn check(&self, bank: &SoundBank) -> Result<()> {
        self.programs.iter().try_for_each(|program| bank.check_program(*program))
    }

    /// Two setups of the pool for a piece. They differ if the pool has two.
    pub fn draw_two(seed: u64, piece: u64, pool: usize) -> [usize; 2] {
        let rng = &mut random::stream(seed, "piece setups", piece);
        let first = rng.random_range(0..pool);
        [first, (first + rng.random_range(1..pool.max(2))) % pool]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_gets_two_setups_of_the_pool() {
        for id in 0..500 {
            let [a, b] = Setup::draw_two(3, id, 24);
            assert!(a != b && a < 24 && b < 24);
        }
        assert_eq!(Setup::draw_two(3, 0, 1), [0, 0]);
    }
}
