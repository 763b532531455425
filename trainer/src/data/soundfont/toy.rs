//! A soundfont of a few kilobytes for tests.
//!
//! Each default instrument is a looped period of a few harmonics with an envelope.

use std::f32::consts::TAU;
use std::path::Path;

use engine::Result;

use super::writer::{self, Envelope, Preset, Zone};

/// Samples of one period.
const PERIOD: usize = 100;
/// Sample rate. A period of 100 samples is 441 Hz, 4 cents above key 69.
const RATE_HZ: u32 = 44_100;
/// Key of the period.
const ROOT_KEY: u8 = 69;
/// Cents from 441 Hz to 440.
const FINE_TUNE_CENTS: i16 = -4;
/// Periods of a sample. The loop needs some room on both sides.
const PERIODS: usize = 4;

/// One preset.
struct ToyPreset {
    name: &'static str,
    program: u8,
    /// Amplitudes of the harmonics.
    harmonics: &'static [f32],
    envelope: Envelope,
}

const PRESETS: [ToyPreset; 5] = [
    ToyPreset {
        name: "piano",
        program: 0,
        harmonics: &[1.0, 0.5, 0.35, 0.2, 0.12, 0.06],
        envelope: Envelope { attack: -9000, decay: 2000, sustain: 1000, release: -2400 },
    },
    ToyPreset {
        name: "guitar",
        program: 24,
        harmonics: &[0.7, 1.0, 0.5, 0.4, 0.1, 0.25],
        envelope: Envelope { attack: -9000, decay: 1200, sustain: 1000, release: -2000 },
    },
    ToyPreset {
        name: "steel",
        program: 25,
        harmonics: &[0.6, 1.0, 0.8, 0.6, 0.4, 0.4],
        envelope: Envelope { attack: -9000, decay: 1600, sustain: 1000, release: -2000 },
    },
    ToyPreset {
        name: "harp",
        program: 46,
        harmonics: &[1.0, 0.15, 0.3, 0.02, 0.05],
        envelope: Envelope { attack: -9000, decay: 1500, sustain: 1000, release: 0 },
    },
    ToyPreset {
        name: "violin",
        program: 40,
        harmonics: &[0.6, 0.8, 0.9, 0.7, 0.6, 0.5, 0.4, 0.3],
        envelope: Envelope { attack: -5500, decay: 0, sustain: 0, release: -3000 },
    },
];

/// Writes the soundfont.
///
/// # Errors
/// If the file cannot be written.
pub fn write(path: &Path) -> Result<()> {
    writer::write(path, "toy", &PRESETS.each_ref().map(preset))
}

fn preset(toy: &ToyPreset) -> Preset {
    let zone = Zone {
        keys: [0, 127],
        samples: sample(toy),
        rate_hz: RATE_HZ,
        root_key: ROOT_KEY,
        tune_cents: FINE_TUNE_CENTS,
        loops: Some([PERIOD as u32, 2 * PERIOD as u32]),
        envelope: toy.envelope,
    };
    Preset { name: toy.name.into(), programs: vec![toy.program], zones: vec![zone] }
}

/// Samples of a few periods.
fn sample(toy: &ToyPreset) -> Vec<i16> {
    let sum: f32 = toy.harmonics.iter().sum();
    let value = |n: usize| {
        let turn = n as f32 / PERIOD as f32;
        let partial = |(k, a): (usize, &f32)| a * (TAU * (k + 1) as f32 * turn).sin();
        (toy.harmonics.iter().enumerate().map(partial).sum::<f32>() / sum * 20_000.0) as i16
    };
    (0..PERIODS * PERIOD).map(value).collect()
}
