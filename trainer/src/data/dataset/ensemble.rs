//! Who plays a piece: all instruments of a dataset, or a few of many.

use engine::{Error, Result};
use rand::seq::index;

use super::instruments::{self, Instrument};
use super::random;

/// Draws after which no instruments with a common range are expected any more.
const PATIENCE: usize = 1000;

/// A dataset's instruments: regulars, and extra_instruments of which each piece has a few.
#[derive(Clone, Debug)]
pub struct Ensemble {
    instruments: Vec<Instrument>,
    regulars: usize,
}

impl Ensemble {
    /// Regulars and extra_instruments by name; `all` for every guest that is no regular.
    pub fn new(regulars: &[String], extra_instruments: &[String]) -> Result<Self> {
        let mut instruments = instruments::by_names(regulars, &[])?;
        let regulars = instruments.len();
        instruments.extend(instruments::by_names(extra_instruments, &instruments)?);
        for (i, instrument) in instruments.iter().enumerate() {
            if instruments[..i].contains(instrument) {
                return Err(Error::invalid("instruments", "each of them once", instrument.name));
            }
        }
        Ok(Self { instruments, regulars })
    }

    /// Everyone: regulars first.
    pub fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }

    /// The keys of a dataset's pieces, where all instruments play all of them; those of the
    /// regulars, where extra_instruments come.
    pub fn range(&self) -> Result<(u8, u8)> {
        instruments::common_range(&self.instruments[..self.regulars])
    }

    /// Who plays piece `id`, as indices in order: half of the regulars and as many extra_instruments as they
    /// make room for, with [`instruments::NARROWEST_RANGE`] in common. Empty where all play.
    pub fn players(&self, seed: u64, id: u64) -> Result<Vec<usize>> {
        let (all, regulars) = (self.instruments.len(), self.regulars);
        if all == regulars {
            return Ok(Vec::new());
        }
        let stay = regulars.div_ceil(2);
        let come = (regulars - stay).max(1).min(all - regulars);
        let rng = &mut random::stream(seed, "players", id);
        for _ in 0..PATIENCE {
            let mut players = index::sample(rng, regulars, stay).into_vec();
            players
                .extend(index::sample(rng, all - regulars, come).into_iter().map(|i| regulars + i));
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
    use crate::data::instruments::DEFAULT_INSTRUMENTS;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_piece_has_regulars_and_guests_with_common_keys_and_all_guests_come() {
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
    fn without_guests_everyone_plays_and_nobody_plays_twice() {
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
