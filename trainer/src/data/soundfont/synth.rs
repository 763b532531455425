//! Renders scores with the programs of a soundfont.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::{Error, Result};
use rustysynth::{SoundFont, Synthesizer, SynthesizerSettings};
use serde::{Deserialize, Serialize};

use crate::data::file_hash;
use crate::data::score::Score;
use crate::data::score::gesture::{Inflection, Motion};

/// Sample rate of the synthesiser, equal to that of most samples in soundfonts.
pub const SYNTH_RATE_HZ: u32 = 44_100;
/// Samples of a block. Notes and gestures start on this grid of 1.5 ms.
const BLOCK_SAMPLES: usize = 64;
/// Maximum number of voices. Dense chords with long releases and stereo samples need more than the
/// usual 64.
const POLYPHONY: usize = 192;
/// Pitch bend range in semitones: a bend of a whole tone plus the widest vibrato.
const BEND_SEMITONES: i32 = 3;
/// MIDI expression at 0 dB: controller 11 at 127, controller 43 (its low bits) at 0.
const FULL_EXPRESSION: f32 = (127 << 7) as f32;

/// Identifies a soundfont file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SoundFontId {
    /// File name without its folder.
    pub file: String,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
}

/// A soundfont in memory, shared by all threads.
#[derive(Clone)]
pub struct SoundBank {
    /// Its file.
    pub id: SoundFontId,
    font: Arc<SoundFont>,
}

impl SoundBank {
    /// Reads an SF2 file.
    ///
    /// # Errors
    /// If it cannot be read or is not an SF2 file with 16-bit samples.
    pub fn open(path: &Path) -> Result<Self> {
        let sha256 = file_hash::sha256(path)?;
        let file = File::open(path).map_err(|e| Error::file(path, e))?;
        let font = SoundFont::new(&mut BufReader::with_capacity(1 << 20, file)).map_err(|e| {
            Error::file(path, format!("expected an SF2 soundfont with 16-bit samples, found: {e}"))
        })?;
        let file = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Self { id: SoundFontId { file, sha256 }, font: Arc::new(font) })
    }

    /// Opens the soundfonts `ids`, in their order. `paths` are the files that the option or config
    /// field `field` lists, in any order.
    ///
    /// # Errors
    /// If a file cannot be read, or a soundfont is not among the files.
    pub fn open_all(ids: &[SoundFontId], paths: &[PathBuf], field: &str) -> Result<Vec<Self>> {
        let banks = paths.iter().map(|path| Self::open(path)).collect::<Result<Vec<_>>>()?;
        let find = |id: &SoundFontId| {
            let bank = banks.iter().find(|bank| bank.id == *id).cloned();
            let found =
                banks.iter().map(|bank| bank.id.file.as_str()).collect::<Vec<_>>().join(", ");
            let found = if banks.is_empty() { "none".to_string() } else { found };
            let expected = format!("the dataset's {} (SHA-256 {})", id.file, id.sha256);
            bank.ok_or_else(|| Error::invalid(field, expected, found))
        };
        ids.iter().map(find).collect()
    }

    /// Checks that the soundfont has a program. The synthesiser would silently use another one.
    ///
    /// # Errors
    /// If the program is missing.
    pub fn check_program(&self, program: u8) -> Result<()> {
        let presets = self.font.get_presets();
        if presets
            .iter()
            .any(|p| p.get_bank_number() == 0 && p.get_patch_number() == i32::from(program))
        {
            return Ok(());
        }
        let expected = format!("a preset for General MIDI program {program} (counted from 0)");
        Err(Error::invalid(
            &self.id.file,
            expected,
            format!("{} presets without it", presets.len()),
        ))
    }

    /// A synthesiser for one thread.
    ///
    /// # Errors
    /// If the synthesiser rejects its settings.
    pub fn voice(&self) -> Result<SynthVoice> {
        let mut settings = SynthesizerSettings::new(SYNTH_RATE_HZ as i32);
        settings.block_size = BLOCK_SAMPLES;
        settings.maximum_polyphony = POLYPHONY;
        settings.enable_reverb_and_chorus = false;
        let synthesizer = Synthesizer::new(&self.font, &settings)
            .map_err(|e| Error::invalid("synthesiser", "usable settings", e))?;
        Ok(SynthVoice { synthesizer })
    }
}

/// Left and right, equally long, at [`SYNTH_RATE_HZ`].
pub struct Stereo {
    /// Left channel.
    pub left: Vec<f32>,
    /// Right channel.
    pub right: Vec<f32>,
}

/// A synthesiser that renders scores.
pub struct SynthVoice {
    synthesizer: Synthesizer,
}

impl SynthVoice {
    /// Renders `samples` samples of a score with a General MIDI program, detuned by `tuning_cents`
    /// (±100).
    ///
    /// There is no reverb and no chorus, and every score starts from silence. Gestures are equal on
    /// every instrument and change at the start of a block.
    pub fn play(
        &mut self,
        score: &Score,
        program: u8,
        tuning_cents: f32,
        samples: usize,
    ) -> Stereo {
        self.synthesizer.reset();
        self.send([0xC0, i32::from(program), 0]);
        self.tune(tuning_cents);
        self.register(0, BEND_SEMITONES << 7);
        let events = events(score);
        let mut next = 0;
        let mut inflection = Inflection::default();
        let (mut left, mut right) = (vec![0.0; samples], vec![0.0; samples]);
        let blocks = left.chunks_mut(BLOCK_SAMPLES).zip(right.chunks_mut(BLOCK_SAMPLES));
        for (block, (left, right)) in blocks.enumerate() {
            while let Some(event) = events.get(next).filter(|e| e.block <= block) {
                self.send(event.message.map(i32::from));
                next += 1;
            }
            let now = Inflection::at_time(&score.gestures, seconds(block));
            if now != inflection {
                self.inflect(now);
                inflection = now;
            }
            self.synthesizer.render(left, right);
        }
        Stereo { left, right }
    }

    /// Sends a MIDI 1.0 message on the first channel: status and two bytes of data.
    fn send(&mut self, [status, first, second]: [i32; 3]) {
        self.synthesizer.process_midi_message(0, status, first, second);
    }

    /// Sets registered parameter 1 (MIDI 1.0, "channel fine tuning"): 14 bits for ±100 cents, with
    /// 8192 for 0.
    fn tune(&mut self, cents: f32) {
        self.register(1, centred(8192.0 * cents / 100.0));
    }

    /// Sets a registered parameter of MIDI 1.0 to a value of 14 bits. Number 0 is the pitch bend
    /// range: semitones in the high 7 bits, cents in the low ones.
    fn register(&mut self, number: i32, value: i32) {
        for (controller, data) in
            [(0x65, 0), (0x64, number), (0x06, value >> 7), (0x26, value & 0x7f)]
        {
            self.send([0xB0, controller, data]);
        }
    }

    /// Sets pitch bend (14 bits, the low half first) and expression (controllers 11 and 43: 14 bits;
    /// General MIDI specifies 40 dB per decade).
    fn inflect(&mut self, Inflection { cents, level_db }: Inflection) {
        let bend = centred(8192.0 * cents / (100 * BEND_SEMITONES) as f32);
        self.send([0xE0, bend & 0x7f, bend >> 7]);
        let expression = (FULL_EXPRESSION * 10.0f32.powf(level_db.min(0.0) / 40.0)).round() as i32;
        self.send([0xB0, 0x0B, expression >> 7]);
        self.send([0xB0, 0x2B, expression & 0x7f]);
    }
}

/// A value of ±8192 as MIDI's 14 bits.
fn centred(steps: f32) -> i32 {
    (8192.0 + steps).round().clamp(0.0, 16_383.0) as i32
}

/// A MIDI message at the start of a block.
struct Event {
    block: usize,
    /// Status and data of MIDI 1.0.
    message: [u8; 3],
}

impl Event {
    /// A note-on message; velocity 0 is a note-off.
    fn key(block: usize, key: u8, velocity: u8) -> Self {
        Self { block, message: [0x90, key, velocity] }
    }

    /// "All sound off" (controller 120), which also stops notes in their release.
    fn silence(block: usize) -> Self {
        Self { block, message: [0xB0, 0x78, 0] }
    }
}

/// Start of a block, in seconds.
fn seconds(block: usize) -> f32 {
    (block * BLOCK_SAMPLES) as f32 / SYNTH_RATE_HZ as f32
}

/// All events in order. In one block, note-offs and damping are before note-ons.
fn events(score: &Score) -> Vec<Event> {
    let block =
        |s: f32| (s.max(0.0) * SYNTH_RATE_HZ as f32 / BLOCK_SAMPLES as f32).round() as usize;
    let mut events: Vec<Event> = Vec::with_capacity(2 * score.notes.len());
    for n in &score.notes {
        events.push(Event::key(block(n.onset_s), n.key, n.velocity));
        events.push(Event::key(block(n.end_s()).max(block(n.onset_s) + 1), n.key, 0));
    }
    let dampings = score.gestures.iter().filter(|g| g.motion == Motion::Damping);
    events.extend(dampings.map(|g| Event::silence(block(g.end_s()))));
    events.sort_by_key(|e| (e.block, e.message[2] > 0, e.message[1]));
    events
}
