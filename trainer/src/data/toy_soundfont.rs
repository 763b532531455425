//! A soundfont of a few kilobytes, made here: for tests and for machines without a real one.
//!
//! Each default instrument is one period of a few harmonics, looped, under an envelope that strikes or swells. The
//! layout follows the SoundFont Technical Specification 2.01 (Creative, 1998), chapters 5 to 8.

use std::f32::consts::TAU;
use std::path::Path;

use engine::{Error, Result};

/// Samples of one period.
const PERIOD: usize = 100;
/// Rate of the samples: a period of 100 is 441 Hz, 4 cents above key 69.
const RATE_HZ: u32 = 44_100;
/// Key of a period.
const ROOT_KEY: u16 = 69;
/// Cents from 441 Hz to 440.
const FINE_TUNE_CENTS: i16 = -4;
/// Periods a sample: loops need a little room.
const PERIODS: usize = 4;
/// Silence that the specification (7.10) asks for after every sample.
const PADDING: usize = 46;

/// One preset.
struct Voice {
    name: &'static str,
    program: u16,
    /// Amplitudes of the harmonics.
    harmonics: &'static [f32],
    /// Timecents (1200 log2 s) of the attack, the decay to nothing and the release.
    attack: i16,
    decay: i16,
    release: i16,
    /// Centibels of the sustain below the peak.
    sustain: i16,
}

const VOICES: [Voice; 5] = [
    Voice {
        name: "piano",
        program: 0,
        harmonics: &[1.0, 0.5, 0.35, 0.2, 0.12, 0.06],
        attack: -9000,
        decay: 2000,
        release: -2400,
        sustain: 1000,
    },
    Voice {
        name: "guitar",
        program: 24,
        harmonics: &[0.7, 1.0, 0.5, 0.4, 0.1, 0.25],
        attack: -9000,
        decay: 1200,
        release: -2000,
        sustain: 1000,
    },
    Voice {
        name: "steel",
        program: 25,
        harmonics: &[0.6, 1.0, 0.8, 0.6, 0.4, 0.4],
        attack: -9000,
        decay: 1600,
        release: -2000,
        sustain: 1000,
    },
    Voice {
        name: "harp",
        program: 46,
        harmonics: &[1.0, 0.15, 0.3, 0.02, 0.05],
        attack: -9000,
        decay: 1500,
        release: 0,
        sustain: 1000,
    },
    Voice {
        name: "violin",
        program: 40,
        harmonics: &[0.6, 0.8, 0.9, 0.7, 0.6, 0.5, 0.4, 0.3],
        attack: -5500,
        decay: 0,
        release: -3000,
        sustain: 0,
    },
];

/// Writes the soundfont.
pub fn write(path: &Path) -> Result<()> {
    std::fs::write(path, bytes()).map_err(|e| Error::file(path, e))
}

/// The soundfont's bytes.
pub fn bytes() -> Vec<u8> {
    let info =
        [chunk(b"ifil", &words(&[2, 1])), chunk(b"isng", b"EMU8000\0"), chunk(b"INAM", b"toy\0")].concat();
    let samples: Vec<u8> = VOICES.iter().flat_map(sample).flat_map(i16::to_le_bytes).collect();
    let body = [
        b"sfbk".to_vec(),
        list(b"INFO", &info),
        list(b"sdta", &chunk(b"smpl", &samples)),
        list(b"pdta", &presets()),
    ]
    .concat();
    chunk(b"RIFF", &body)
}

/// A few periods and the padding.
fn sample(voice: &Voice) -> Vec<i16> {
    let sum: f32 = voice.harmonics.iter().sum();
    let value = |n: usize| {
        let turn = n as f32 / PERIOD as f32;
        let partial = |(k, a): (usize, &f32)| a * (TAU * (k + 1) as f32 * turn).sin();
        (voice.harmonics.iter().enumerate().map(partial).sum::<f32>() / sum * 20_000.0) as i16
    };
    (0..PERIODS * PERIOD).map(value).chain(std::iter::repeat_n(0, PADDING)).collect()
}

/// The nine chunks of the articulation data (section 7): one zone a preset, one zone an instrument.
fn presets() -> Vec<u8> {
    let count = VOICES.len() as u16;
    let (mut phdr, mut pbag, mut pgen) = (Vec::new(), Vec::new(), Vec::new());
    let (mut inst, mut ibag, mut igen, mut shdr) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (i, voice) in (0u16..).zip(&VOICES) {
        phdr.extend([name(voice.name), words(&[voice.program, 0, i, 0, 0, 0, 0, 0, 0])].concat());
        pbag.extend(words(&[i, 0]));
        pgen.extend(words(&[41, i])); // instrument
        inst.extend([name(voice.name), words(&[i])].concat());
        let generators = [
            (34, voice.attack as u16),
            (36, voice.decay as u16),
            (37, voice.sustain as u16),
            (38, voice.release as u16),
            (52, FINE_TUNE_CENTS as u16),
            (54, 1), // loops
            (58, ROOT_KEY),
            (53, i), // sample; must come last
        ];
        ibag.extend(words(&[i * generators.len() as u16, 0]));
        igen.extend(generators.iter().flat_map(|(g, v)| words(&[*g, *v])));
        shdr.extend(header(voice.name, usize::from(i)));
    }
    // Every list ends with a record that only says where the one before it ends.
    phdr.extend([name("EOP"), words(&[0, 0, count, 0, 0, 0, 0, 0, 0])].concat());
    pbag.extend(words(&[count, 0]));
    pgen.extend(words(&[0, 0]));
    inst.extend([name("EOI"), words(&[count])].concat());
    ibag.extend(words(&[(igen.len() / 4) as u16, 0]));
    igen.extend(words(&[0, 0]));
    shdr.extend([name("EOS"), vec![0; 26]].concat());
    let empty = vec![0; 10];
    [
        chunk(b"phdr", &phdr),
        chunk(b"pbag", &pbag),
        chunk(b"pmod", &empty),
        chunk(b"pgen", &pgen),
        chunk(b"inst", &inst),
        chunk(b"ibag", &ibag),
        chunk(b"imod", &empty),
        chunk(b"igen", &igen),
        chunk(b"shdr", &shdr),
    ]
    .concat()
}

/// Where a voice's sample lies (7.10): start, end, loop, rate, key, correction, link, mono.
fn header(sample_name: &str, index: usize) -> Vec<u8> {
    let start = (index * (PERIODS * PERIOD + PADDING)) as u32;
    let (loop_start, loop_end) = (start + PERIOD as u32, start + (2 * PERIOD) as u32);
    let numbers = [start, start + (PERIODS * PERIOD) as u32, loop_start, loop_end, RATE_HZ];
    let numbers: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
    [name(sample_name), numbers, vec![ROOT_KEY as u8, 0], words(&[0, 1])].concat()
}

fn words(values: &[u16]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// A name in its fixed 20 bytes.
fn name(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize(20, 0);
    bytes
}

fn chunk(id: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let padding = vec![0; body.len() % 2];
    [id.to_vec(), (body.len() as u32).to_le_bytes().to_vec(), body.to_vec(), padding].concat()
}

fn list(id: &[u8; 4], body: &[u8]) -> Vec<u8> {
    chunk(b"LIST", &[id.to_vec(), body.to_vec()].concat())
}
