//! The instruments of each piece: all of a dataset, or a random selection.

use engine::{Error, Result};
use rand::seq::index;

use crate::data::random;
use crate::data::score::instruments::{self, Instrument};

/// Draws after which the search for instruments with a common range fails.
const MAX_DRAWS: usize = 1000;

/// A dataset's instruments: main ones, and extra ones of which each piece has a few.
#[derive(Clone, Debug)]
pub struct Ensemble {
    instruments: Vec<Instrument>,
    /// Number of main instruments, which come first.
    main: usize,
}

impl Ensemble {
    /// Main and extra instruments by name. `all` as the only extra name stands for every
    /// instrument that is not a main one.
    ///
    /// # Errors
    /// If a name is not an instrument, or is there twice.
    pub fn new(main: &[String], extra: &[String]) -> Result<Self> {
        let mut instruments = instruments::by_names(main, &[])?;
        let main = instruments.len();
        instruments.extend(instruments::by_names(extra, &instruments)?);
        for (i, instrument) in instruments.iter().enumerate() {
            if instruments[..i].contains(instrument) {
                return Err(Error::invalid("instruments", "each of them once", instrument.name));
            }
        }
        Ok(Self { instruments, main })
    }

    /// All instruments, the main ones first.
    pub fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }

    /// The common key range of the main instruments.
    ///
    /// # Errors
    /// If it is too narrow.
    pub fn range(&self) -> Result<(u8, u8)> {
        instruments::common_range(&self.instruments[..self.main])
    }

    /// The instruments of piece `id`, as ascending indices. Empty stands for all.
    ///
    /// With extra instruments, a piece has half of the main ones and fills up with extra ones.
    /// They share at least [`instruments::NARROWEST_RANGE`].
    ///
    /// # Errors
    /// If no such selection is found.
    pub fn players(&self, seed: u64, id: u64) -> Result<Vec<usize>> {
        let (all, main) = (self.instruments.len(), self.main);
        if all == main {
            return Ok(Vec::new());
        }
        let from_main = main.div_ceil(2);
        let from_extra = (main - from_main).max(1).min(all - main);
        let rng = &mut random::stream(seed, "players", id);
        for _ in 0..MAX_DRAWS {
            let mut players = index::sample(rng, main, from_main).into_vec();
            players
                .extend(index::sample(rng, all - main, from_extra).into_iter().map(|i| main + i));
            players.sort_unstable();
            let chosen: Vec<Instrument> = players.iter().map(|&i| self.instruments[i]).collect();
            if instruments::common_range(&chosen).is_ok() {
                return Ok(players);
            }
        }
        Err(Error::invalid(
            "--extra-instruments",
            "instruments that share an octave and a half with the others",
            "none that do",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::score::instruments::DEFAULT_INSTRUMENTS;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_piece_has_main_and_extra_instruments_with_common_keys_and_all_extras_occur() {
        let ensemble = Ensemble::new(&names(&DEFAULT_INSTRUMENTS), &names(&["all"])).unwrap();
        let mut seen = vec![0; ensemble.instruments().len()];
        for id in 0..800 {
            let players = ensemble.players(1, id).unwrap();
            assert_eq!(players, ensemble.players(1, id).unwrap());
            assert_eq!(
                (players.len(), players.iter().filter(|i| **i < 4).count()),
                (4, 2),
                "{players:?}"
            );
            let chosen: Vec<_> = players.iter().map(|&i| ensemble.instruments()[i]).collect();
            assert!(instruments::common_range(&chosen).is_ok());
            players.iter().for_each(|&i| seen[i] += 1);
        }
        assert!(seen.len() >= 16 && seen.iter().all(|n| *n >= 5), "{seen:?}");
    }

    #[test]
    fn without_extras_all_instruments_play_and_none_is_there_twice() {
        let four = names(&DEFAULT_INSTRUMENTS);
        let ensemble = Ensemble::new(&four, &[]).unwrap();
        assert_eq!(ensemble.players(1, 0).unwrap(), Vec::<usize>::new());
        assert!(
            Ensemble::new(&four, &names(&["cello", "harp"]))
                .unwrap_err()
                .to_string()
                .contains("harp")
        );
    }
}
