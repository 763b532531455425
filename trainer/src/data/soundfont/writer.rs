//! Writes SF2 soundfonts: samples over key ranges, each with an envelope.
//!
//! The layout follows the SoundFont Technical Specification 2.01 (Creative, 1998), chapters 5 to 8.

use std::path::Path;

use engine::{Error, Result, whole_file};

/// Zeros after every sample, required by the specification (7.10).
const PADDING: usize = 46;
/// The format counts generators in 16 bits.
const ZONES_MAX: usize = u16::MAX as usize / GENERATORS;
/// Generators of each zone.
const GENERATORS: usize = 9;
/// A RIFF file counts its bytes in 32 bits. This leaves room for the other chunks.
const SAMPLES_MAX: usize = (u32::MAX / 2) as usize - (1 << 24);
/// Peak of the written samples.
const PEAK: f32 = 20_000.0;
/// Peaks below this are silence. It avoids a division by zero.
pub const SMALLEST_PEAK: f32 = 1e-6;
/// Samples of a loop's start that are repeated after its end, for interpolation (7.10 requires 8).
pub const PAST_LOOP: usize = 16;

/// A sound for some General MIDI programs of bank 0.
pub struct Preset {
    /// Its name, at most 19 bytes.
    pub name: String,
    /// Programs, counted from 0; at least one.
    pub programs: Vec<u8>,
    /// Key ranges that do not overlap.
    pub zones: Vec<Zone>,
}

/// A key range with one sample.
pub struct Zone {
    /// Lowest and highest key.
    pub keys: [u8; 2],
    /// The sample, mono.
    pub samples: Vec<i16>,
    /// Sample rate.
    pub rate_hz: u32,
    /// The key at which the sample is not transposed.
    pub root_key: u8,
    /// Correction of the sample's pitch to that of the root key.
    pub tune_cents: i16,
    /// First sample of the loop and the one after its last; `None` without a loop.
    pub loops: Option<[u32; 2]>,
    /// Volume envelope.
    pub envelope: Envelope,
}

/// Volume envelope (8.1.2). Times are in timecents (`1200 log2 s`), the sustain level is in
/// centibels below the peak.
#[derive(Clone, Copy)]
pub struct Envelope {
    /// Time to the peak.
    pub attack: i16,
    /// Time from the peak to silence.
    pub decay: i16,
    /// Level at the end of the decay.
    pub sustain: i16,
    /// Time to silence after the key is released.
    pub release: i16,
}

impl Envelope {
    /// For samples that have their own attack and decay.
    pub const AS_RECORDED: Self =
        Self { attack: -12_000, decay: -12_000, sustain: 0, release: -2_400 };
}

/// The range of keys that are nearest to each of some ascending root keys. Together the ranges
/// cover all keys.
pub fn nearest_keys(roots: &[u8]) -> Vec<[u8; 2]> {
    let lowest = |i: usize| match i {
        0 => 0,
        _ => (u16::from(roots[i - 1]) + u16::from(roots[i])).div_ceil(2) as u8,
    };
    let highest = |i: usize| if i + 1 < roots.len() { lowest(i + 1) - 1 } else { 127 };
    (0..roots.len()).map(|i| [lowest(i), highest(i)]).collect()
}

/// A sound in 16 bits, scaled by the peak `loudest`.
pub fn quantised(sound: &[f32], loudest: f32) -> Vec<i16> {
    sound.iter().map(|v| (v / loudest.max(SMALLEST_PEAK) * PEAK) as i16).collect()
}

/// The largest absolute value.
pub fn peak(sound: &[f32]) -> f32 {
    sound.iter().fold(0.0, |peak, v| peak.max(v.abs()))
}

/// Fades out the last 5 % of a sound.
pub fn fade_out(sound: &mut [f32]) {
    let len = sound.len() / 20;
    let start = sound.len() - len;
    sound[start..]
        .iter_mut()
        .enumerate()
        .for_each(|(i, value)| *value *= 1.0 - i as f32 / len as f32);
}

/// Writes a soundfont.
///
/// # Errors
/// If there are too many zones or samples for the format, or the file cannot be written.
pub fn write(path: &Path, name: &str, presets: &[Preset]) -> Result<()> {
    let zones = presets.iter().map(|preset| preset.zones.len()).sum::<usize>();
    if zones > ZONES_MAX {
        return Err(Error::file(
            path,
            format!("expected at most {ZONES_MAX} zones, found {zones}"),
        ));
    }
    let samples = presets
        .iter()
        .flat_map(|preset| &preset.zones)
        .map(|zone| zone.samples.len() + PADDING)
        .sum::<usize>();
    if samples > SAMPLES_MAX {
        return Err(Error::file(
            path,
            format!("expected at most {SAMPLES_MAX} samples, found {samples}"),
        ));
    }
    whole_file::write(path, bytes(name, presets))
}

/// The bytes of a soundfont file.
pub fn bytes(name: &str, presets: &[Preset]) -> Vec<u8> {
    let info = [
        chunk(b"ifil", &words(&[2, 1])),
        chunk(b"isng", b"EMU8000\0"),
        chunk(b"INAM", &terminated(name)),
    ];
    let zones = presets.iter().flat_map(|preset| &preset.zones);
    let padded = zones.flat_map(|zone| zone.samples.iter().copied().chain([0; PADDING]));
    let samples: Vec<u8> = padded.flat_map(i16::to_le_bytes).collect();
    let body = [
        b"sfbk".to_vec(),
        list(b"INFO", &info.concat()),
        list(b"sdta", &chunk(b"smpl", &samples)),
        list(b"pdta", &Articulation::from_presets(presets).chunks()),
    ];
    chunk(b"RIFF", &body.concat())
}

/// The lists of the articulation data (section 7). Each program has one preset zone; the programs
/// of a [`Preset`] share its instrument.
#[derive(Default)]
struct Articulation {
    phdr: Vec<u8>,
    pbag: Vec<u8>,
    pgen: Vec<u8>,
    inst: Vec<u8>,
    ibag: Vec<u8>,
    igen: Vec<u8>,
    shdr: Vec<u8>,
}

impl Articulation {
    fn from_presets(presets: &[Preset]) -> Self {
        let (mut lists, mut zones, mut start) = (Self::default(), 0u16, 0u32);
        let mut count = 0;
        for (i, preset) in (0u16..).zip(presets) {
            let label = name(&preset.name);
            for &program in &preset.programs {
                let header = words(&[u16::from(program), 0, count, 0, 0, 0, 0, 0, 0]);
                lists.phdr.extend([label.clone(), header].concat());
                lists.pbag.extend(words(&[count, 0]));
                lists.pgen.extend(words(&[41, i])); // instrument
                count += 1;
            }
            lists.inst.extend([label.clone(), words(&[zones])].concat());
            for zone in &preset.zones {
                lists.ibag.extend(words(&[(lists.igen.len() / 4) as u16, 0]));
                lists
                    .igen
                    .extend(zone.generators(zones).iter().flat_map(|(g, v)| words(&[*g, *v])));
                lists.shdr.extend(
                    zone.header(&name(&format!("{} {}", zone.root_key, preset.name)), start),
                );
                start += (zone.samples.len() + PADDING) as u32;
                zones += 1;
            }
        }
        // Every list ends with a record that marks the end of the previous one.
        lists.phdr.extend([name("EOP"), words(&[0, 0, count, 0, 0, 0, 0, 0, 0])].concat());
        lists.pbag.extend(words(&[count, 0]));
        lists.pgen.extend(words(&[0, 0]));
        lists.inst.extend([name("EOI"), words(&[zones])].concat());
        lists.ibag.extend(words(&[(lists.igen.len() / 4) as u16, 0]));
        lists.igen.extend(words(&[0, 0]));
        lists.shdr.extend([name("EOS"), vec![0; 26]].concat());
        lists
    }

    fn chunks(&self) -> Vec<u8> {
        let modulators = vec![0; 10];
        [
            chunk(b"phdr", &self.phdr),
            chunk(b"pbag", &self.pbag),
            chunk(b"pmod", &modulators),
            chunk(b"pgen", &self.pgen),
            chunk(b"inst", &self.inst),
            chunk(b"ibag", &self.ibag),
            chunk(b"imod", &modulators),
            chunk(b"igen", &self.igen),
            chunk(b"shdr", &self.shdr),
        ]
        .concat()
    }
}

impl Zone {
    /// Numbers and values of the zone's generators (8.1.2).
    fn generators(&self, sample: u16) -> [(u16, u16); GENERATORS] {
        let Envelope { attack, decay, sustain, release } = self.envelope;
        [
            (43, u16::from_le_bytes(self.keys)), // must come first
            (34, attack as u16),
            (36, decay as u16),
            (37, sustain as u16),
            (38, release as u16),
            (52, self.tune_cents as u16),
            (54, u16::from(self.loops.is_some())),
            (58, u16::from(self.root_key)),
            (53, sample), // must come last
        ]
    }

    /// Header of the sample (7.10): start, end, loop, rate, key, correction, link, mono.
    fn header(&self, label: &[u8], start: u32) -> Vec<u8> {
        let end = start + self.samples.len() as u32;
        let [loop_start, loop_end] =
            self.loops.map_or([start, end], |ends| ends.map(|at| start + at));
        let numbers = [start, end, loop_start, loop_end, self.rate_hz];
        let numbers: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
        [label.to_vec(), numbers, vec![self.root_key, 0], words(&[0, 1])].concat()
    }
}

fn words(values: &[u16]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// A text with one or two zeros, so that its length is even.
fn terminated(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize(bytes.len() + 2 - bytes.len() % 2, 0);
    bytes
}

/// A name in 20 bytes. The last one is 0.
fn name(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.truncate(19);
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
