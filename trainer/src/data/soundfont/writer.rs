//! Soundfonts that are written here: samples over ranges of keys, under an envelope.
//!
//! The layout follows the SoundFont Technical Specification 2.01 (Creative, 1998), chapters 5 to 8.

use std::path::Path;

use engine::{Error, Result, whole_file};

/// Silence that the specification (7.10) asks for after every sample.
const PADDING: usize = 46;
/// Generators are counted in 16 bits.
const ZONES_MAX: usize = u16::MAX as usize / GENERATORS;
/// Of every zone.
const GENERATORS: usize = 9;
/// A RIFF file counts its bytes in 32 bits; this leaves room for all that is not samples.
const SAMPLES_MAX: usize = (u32::MAX / 2) as usize - (1 << 24);
/// Largest sample that is written.
const PEAK: f32 = 20_000.0;
/// Keeps silence finite where a sound is brought to a peak; what is below it is silence.
pub const SMALLEST_PEAK: f32 = 1e-6;
/// Samples of a loop's beginning that follow its end: whoever interpolates reads past it (7.10 asks
/// for eight).
pub const PAST_LOOP: usize = 16;

/// A sound under General MIDI programs of bank 0.
pub struct Preset {
    /// At most 19 bytes.
    pub name: String,
    /// Counted from 0, one at least.
    pub programs: Vec<u8>,
    /// Ranges of keys that do not overlap.
    pub zones: Vec<Zone>,
}

/// A range of keys that one sample plays.
pub struct Zone {
    /// Lowest and highest key.
    pub keys: [u8; 2],
    /// Its sample, mono.
    pub samples: Vec<i16>,
    /// Rate of the sample.
    pub rate_hz: u32,
    /// The key at which the sample sounds as it is.
    pub root_key: u8,
    /// What has to be added to the sample's pitch for it to be the root key's.
    pub tune_cents: i16,
    /// First sample of the loop and the one after its last, where it loops.
    pub loops: Option<[u32; 2]>,
    /// Volume over time.
    pub envelope: Envelope,
}

/// Volume over time (8.1.2): times in timecents, `1200 log2 s`, the sustain in centibels below the
/// peak.
#[derive(Clone, Copy)]
pub struct Envelope {
    /// To the peak.
    pub attack: i16,
    /// From the peak to nothing.
    pub decay: i16,
    /// Where the decay ends.
    pub sustain: i16,
    /// To nothing after the key.
    pub release: i16,
}

impl Envelope {
    /// Of samples that swell and decay by themselves.
    pub const AS_RECORDED: Self =
        Self { attack: -12_000, decay: -12_000, sustain: 0, release: -2_400 };
}

/// The keys that lie nearest to each of some root keys, which ascend; together they are all keys.
pub fn nearest_keys(roots: &[u8]) -> Vec<[u8; 2]> {
    let lowest = |i: usize| match i {
        0 => 0,
        _ => (u16::from(roots[i - 1]) + u16::from(roots[i])).div_ceil(2) as u8,
    };
    let highest = |i: usize| if i + 1 < roots.len() { lowest(i + 1) - 1 } else { 127 };
    (0..roots.len()).map(|i| [lowest(i), highest(i)]).collect()
}

/// A sound in 16 bits, where `loudest` is the largest magnitude that there is.
pub fn quantised(sound: &[f32], loudest: f32) -> Vec<i16> {
    sound.iter().map(|v| (v / loudest.max(SMALLEST_PEAK) * PEAK) as i16).collect()
}

/// The largest magnitude.
pub fn peak(sound: &[f32]) -> f32 {
    sound.iter().fold(0.0, |peak, v| peak.max(v.abs()))
}

/// The last twentieth of a sound dies away.
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
/// If there are more zones or samples than the format can count, or the file cannot be written.
pub fn write(path: &Path, name: &str, presets: &[Preset]) -> Result<()> {
    let zones = presets.iter().map(|preset| preset.zones.len()).sum::<usize>();
    if zones > ZONES_MAX {
        return Err(Error::file(
            path,
            format!("expected {ZONES_MAX} zones at most, found {zones}"),
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
            format!("expected {SAMPLES_MAX} samples at most, found {samples}"),
        ));
    }
    whole_file::write(path, bytes(name, presets))
}

/// A soundfont's bytes.
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

/// The nine lists of the articulation data (section 7): one zone a program, as many as there are a
/// preset's instrument, which its programs share.
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
        // Every list ends with a record that only says where the one before it ends.
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

    /// Where the sample lies (7.10): start, end, loop, rate, key, correction, link, mono.
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

/// A text with the one or two zeros that make its length even.
fn terminated(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize(bytes.len() + 2 - bytes.len() % 2, 0);
    bytes
}

/// A name in its fixed 20 bytes, the last of which is 0.
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
