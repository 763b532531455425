//! Instruments by name: General MIDI programs and the keys that the real instrument has.

use engine::{Error, Result};

/// One instrument of a General MIDI soundfont.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instrument {
    /// The name in datasets, models and presets.
    pub name: &'static str,
    /// General MIDI programs, counted from 0, that pass for it; the first is the typical one.
    pub programs: &'static [u8],
    /// Lowest key of the real instrument.
    pub lowest_key: u8,
    /// Highest key of the real instrument.
    pub highest_key: u8,
}

const fn instrument(
    name: &'static str,
    programs: &'static [u8],
    lowest_key: u8,
    highest_key: u8,
) -> Instrument {
    Instrument { name, programs, lowest_key, highest_key }
}

/// Every instrument that can be rendered. Ranges are those of orchestration books (concert pitch).
pub const INSTRUMENTS: &[Instrument] = &[
    instrument("piano", &[0], 21, 108),
    instrument("guitar", &[24, 25], 40, 88),
    instrument("harp", &[46], 23, 103),
    instrument("violin", &[40], 55, 100),
    instrument("viola", &[41], 48, 91),
    instrument("cello", &[42], 36, 81),
    instrument("flute", &[73], 60, 96),
    instrument("oboe", &[68], 58, 91),
    instrument("clarinet", &[71], 50, 94),
    instrument("trumpet", &[56], 54, 86),
    instrument("horn", &[60], 41, 77),
    instrument("organ", &[19], 36, 96),
    instrument("marimba", &[12], 45, 96),
    instrument("vibraphone", &[11], 53, 89),
];

/// The four instruments of the shipped model, in the order of its instrument head.
pub const DEFAULT_INSTRUMENTS: [&str; 4] = ["piano", "guitar", "harp", "violin"];

/// The instrument of that name.
pub fn by_name(name: &str) -> Result<Instrument> {
    INSTRUMENTS.iter().find(|i| i.name == name).copied().ok_or_else(|| {
        let known: Vec<_> = INSTRUMENTS.iter().map(|i| i.name).collect();
        Error::invalid("instrument", format!("one of {}", known.join(", ")), name)
    })
}

/// The keys that all of them have.
pub fn common_range(instruments: &[Instrument]) -> Result<(u8, u8)> {
    let lowest = instruments.iter().map(|i| i.lowest_key).max().unwrap_or(0);
    let highest = instruments.iter().map(|i| i.highest_key).min().unwrap_or(0);
    if highest < lowest + 12 {
        let names: Vec<_> = instruments.iter().map(|i| i.name).collect();
        let found = format!("keys {lowest} to {highest} for {}", names.join(", "));
        return Err(Error::invalid("instruments", "an octave or more that all of them have", found));
    }
    Ok((lowest, highest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_four_share_g3_to_e6() {
        let four: Vec<_> = DEFAULT_INSTRUMENTS.iter().map(|n| by_name(n).unwrap()).collect();
        assert_eq!(common_range(&four).unwrap(), (55, 88));
    }

    #[test]
    fn an_unknown_instrument_is_answered_with_the_known_ones() {
        let sentence = by_name("kazoo").unwrap_err().to_string();
        assert!(sentence.contains("piano") && sentence.contains("kazoo"), "{sentence}");
    }
}
