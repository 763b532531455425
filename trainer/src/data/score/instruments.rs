//! Instruments by name: General MIDI programs and key ranges of the real instruments.

use engine::{Error, Result};

/// One instrument of a General MIDI soundfont.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instrument {
    /// Its name in datasets, models and presets.
    pub name: &'static str,
    /// Its General MIDI programs, counted from 0. The first is the typical one.
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

/// All instruments that can be rendered. Ranges are from orchestration books (concert pitch), for
/// electronic instruments from their usual keyboards.
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
    instrument("bright-piano", &[1, 2], 21, 108),
    instrument("honky-tonk", &[3], 21, 108),
    instrument("electric-piano", &[4, 5], 28, 103),
    instrument("harpsichord", &[6], 29, 89),
    instrument("clavinet", &[7], 29, 88),
    instrument("celesta", &[8], 60, 108),
    instrument("music-box", &[10], 60, 96),
    instrument("xylophone", &[13], 65, 108),
    instrument("dulcimer", &[15], 48, 84),
    instrument("drawbar-organ", &[16, 17, 18], 36, 96),
    instrument("reed-organ", &[20], 36, 96),
    instrument("accordion", &[21, 23], 53, 93),
    instrument("harmonica", &[22], 60, 96),
    instrument("jazz-guitar", &[26], 40, 86),
    instrument("electric-guitar", &[27, 28], 40, 86),
    instrument("distorted-guitar", &[29, 30], 40, 86),
    instrument("pizzicato", &[45], 43, 93),
    instrument("strings", &[48, 49, 44], 36, 96),
    instrument("synth-strings", &[50, 51], 36, 96),
    instrument("choir", &[52, 53], 43, 81),
    instrument("trombone", &[57], 40, 72),
    instrument("muted-trumpet", &[59], 54, 86),
    instrument("brass", &[61, 62, 63], 41, 84),
    instrument("saxophone", &[64, 65], 49, 88),
    instrument("tenor-saxophone", &[66], 44, 76),
    instrument("english-horn", &[69], 52, 81),
    instrument("bassoon", &[70], 34, 75),
    instrument("recorder", &[74], 60, 96),
    instrument("pan-flute", &[75], 60, 96),
    instrument("shakuhachi", &[77, 79], 55, 91),
    instrument("synth-lead", &[80, 81, 82, 84], 36, 96),
    instrument("pad", &[88, 89, 91, 95], 36, 96),
    instrument("sitar", &[104], 48, 84),
    instrument("banjo", &[105, 106], 48, 88),
    instrument("koto", &[107], 44, 88),
    instrument("kalimba", &[108], 55, 88),
    instrument("fiddle", &[110], 55, 96),
    instrument("steel-drums", &[114], 52, 88),
];

/// The default instruments of a dataset.
pub const DEFAULT_INSTRUMENTS: [&str; 4] = ["piano", "guitar", "harp", "violin"];

/// The instruments with a style reference in the repository: [`DEFAULT_INSTRUMENTS`] and others.
pub const SHIPPED_STYLES: [&str; 12] = [
    "piano",
    "guitar",
    "harp",
    "violin",
    "cello",
    "flute",
    "clarinet",
    "trumpet",
    "saxophone",
    "organ",
    "marimba",
    "electric-piano",
];

/// Program ranges of struck or plucked instruments.
const DECAYING: [std::ops::Range<u8>; 5] = [0..16, 24..40, 45..48, 104..109, 112..120];

/// Whether a General MIDI program (counted from 0) is struck or plucked, so that its notes decay.
pub fn decays(program: u8) -> bool {
    DECAYING.iter().any(|family| family.contains(&program))
}

/// The General MIDI programs of all instruments, ascending.
pub fn programs() -> Vec<u8> {
    let mut programs: Vec<u8> = INSTRUMENTS.iter().flat_map(|i| i.programs).copied().collect();
    programs.sort_unstable();
    programs.dedup();
    programs
}

/// The instrument with a name.
///
/// # Errors
/// If there is none.
pub fn by_name(name: &str) -> Result<Instrument> {
    INSTRUMENTS.iter().find(|i| i.name == name).copied().ok_or_else(|| {
        let names: Vec<_> = INSTRUMENTS.iter().map(|i| i.name).collect();
        Error::invalid("instrument", format!("one of {}", names.join(", ")), name)
    })
}

/// The instruments with some names. `all` as the only name stands for every instrument that is not
/// in `except`.
///
/// # Errors
/// If a name is not an instrument.
pub fn by_names(names: &[String], except: &[Instrument]) -> Result<Vec<Instrument>> {
    if let [all] = names
        && all == "all"
    {
        return Ok(INSTRUMENTS.iter().filter(|i| !except.contains(i)).copied().collect());
    }
    names.iter().map(|name| by_name(name)).collect()
}

/// Minimum common range of instruments in semitones: enough for a melody with accompaniment.
pub const NARROWEST_RANGE: u8 = 18;

/// The key range that all instruments have.
///
/// # Errors
/// If it is narrower than [`NARROWEST_RANGE`].
pub fn common_range(instruments: &[Instrument]) -> Result<(u8, u8)> {
    let lowest = instruments.iter().map(|i| i.lowest_key).max().unwrap_or(0);
    let highest = instruments.iter().map(|i| i.highest_key).min().unwrap_or(0);
    if highest < lowest + NARROWEST_RANGE {
        let names: Vec<_> = instruments.iter().map(|i| i.name).collect();
        let found = format!("keys {lowest} to {highest} for {}", names.join(", "));
        return Err(Error::invalid(
            "instruments",
            "a common range of at least an octave and a half",
            found,
        ));
    }
    Ok((lowest, highest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instruments_programs_all_decay_or_all_sustain() {
        for instrument in INSTRUMENTS {
            let first = decays(instrument.programs[0]);
            assert!(
                instrument.programs.iter().all(|program| decays(*program) == first),
                "{}",
                instrument.name
            );
        }
    }

    #[test]
    fn the_default_four_share_g3_to_e6() {
        let four: Vec<_> = DEFAULT_INSTRUMENTS.iter().map(|n| by_name(n).unwrap()).collect();
        assert_eq!(common_range(&four).unwrap(), (55, 88));
    }

    #[test]
    fn the_error_for_a_wrong_instrument_lists_all_names() {
        let sentence = by_name("kazoo").unwrap_err().to_string();
        assert!(sentence.contains("piano") && sentence.contains("kazoo"), "{sentence}");
    }
}
