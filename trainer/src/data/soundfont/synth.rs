//! A score played by one program of a soundfont.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::{Error, Result};
use rustysynth::{SoundFont, Synthesizer, SynthesizerSettings};
use serde::{Deserialize, Serialize};

use super::file_hash;
use super::gesture::{Inflection, Motion};
use super::score::Score;

/// Rate at which soundfonts are played: that of nearly all their samples.
pub const SYNTH_RATE_HZ: u32 = 44_100;
/// Samples between two looks at the score, and the grid on which notes start: 1.5 ms.
const BLOCK_SAMPLES: usize = 64;
/// Voices; a dense chord with long releases on stereo samples needs more than the usual 64.
const POLYPHONY: usize = 192;
/// Pitch bend range: a whole tone of bend, with the widest vibrato on top.
const BEND_SEMITONES: i32 = 3;
/// Expression at 0 dB, where every score begins: controller 11 at 127, its fine half (43) at 0.
const FULL_EXPRESSION: f32 = (127 << 7) as f32;

/// Which file a sound came from.
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
    /// Which file it is.
    pub id: SoundFontId,
    font: Arc<SoundFont>,
}

impl SoundBank {
    /// Reads an SF2 file.
    pub fn open(path: &Path) -> Result<Self> {
        let sha256 = file_hash::sha256(path)?;
        let file = File::open(path).map_err(|e| Error::file(path, e))?;
        let font = SoundFont::new(&mut BufReader::with_capacity(1 << 20, file)).map_err(|e| {
            Error::file(path, format!("expected an SF2 soundfont with 16-bit samples, found: {e}"))
        })?;
        let file = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Self { id: SoundFontId { file, sha256 }, font: Arc::new(font) })
    }

    /// The soundfonts of these identities, in their order, among the files that a field gave.
    ///
    /// # Errors
    /// If a file cannot be read, or none of them is one of the wanted.
    pub fn open_all(wanted: &[SoundFontId], given: &[PathBuf], field: &str) -> Result<Vec<Self>> {
        let given = given.iter().map(|path| Self::open(path)).collect::<Result<Vec<_>>>()?;
        let find = |id: &SoundFontId| {
            let bank = given.iter().find(|bank| bank.id == *id).cloned();
            let found =
                given.iter().map(|bank| bank.id.file.as_str()).collect::<Vec<_>>().join(", ");
            let found = if given.is_empty() { "none".to_string() } else { found };
            let expected = format!("the dataset's {} (SHA-256 {})", id.file, id.sha256);
            bank.ok_or_else(|| Error::invalid(field, expected, found))
        };
        wanted.iter().map(find).collect()
    }

    /// Refuses a program that the soundfont lacks (the synthesiser would silently play another
    /// one).
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

    /// A player for one thread.
    pub fn player(&self) -> Result<SynthVoice> {
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

/// Plays scores, each from silence.
pub struct SynthVoice {
    synthesizer: Synthesizer,
}

impl SynthVoice {
    /// Plays a score with a General MIDI program, detuned by `tuning_cents` (±100), for `samples`.
    ///
    /// No reverb, no chorus, and nothing left over from the score before. Gestures are played alike
    /// on every instrument, at the beginning of each block.
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

    /// Sends a message on the first channel: status and two bytes of data (MIDI 1.0).
    fn send(&mut self, [status, first, second]: [i32; 3]) {
        self.synthesizer.process_midi_message(0, status, first, second);
    }

    /// Registered parameter 1 (MIDI 1.0, "channel fine tuning"): 14 bits, 8192 is in tune, ±100
    /// cents.
    fn tune(&mut self, cents: f32) {
        self.register(1, centred(8192.0 * cents / 100.0));
    }

    /// Sets a registered parameter of MIDI 1.0 to 14 bits; number 0 is the pitch bend range,
    /// semitones above and cents below the 7th bit.
    fn register(&mut self, number: i32, value: i32) {
        for (controller, data) in
            [(0x65, 0), (0x64, number), (0x06, value >> 7), (0x26, value & 0x7f)]
        {
            self.send([0xB0, controller, data]);
        }
    }

    /// Pitch bend (MIDI 1.0: 14 bits, the low half first) and expression (controllers 11 and 43: 14
    /// bits; General MIDI asks for 40 dB a decade).
    fn inflect(&mut self, Inflection { cents, level_db }: Inflection) {
        let bend = centred(8192.0 * cents / (100 * BEND_SEMITONES) as f32);
        self.send([0xE0, bend & 0x7f, bend >> 7]);
        let expression = (FULL_EXPRESSION * 10.0f32.powf(level_db.min(0.0) / 40.0)).round() as i32;
        self.send([0xB0, 0x0B, expression >> 7]);
        self.send([0xB0, 0x2B, expression & 0x7f]);
    }
}

/// Steps from the middle of a range (±8192) as MIDI's 14 bits.
fn centred(steps: f32) -> i32 {
    (8192.0 + steps).round().clamp(0.0, 16_383.0) as i32
}

/// Something that happens at the beginning of a block.
struct Event {
    block: usize,
    /// Status and data, as MIDI 1.0 has them.
    message: [u8; 3],
}

impl Event {
    /// A key going down, or up (velocity 0).
    fn key(block: usize, key: u8, velocity: u8) -> Self {
        Self { block, message: [0x90, key, velocity] }
    }

    /// "All sound off" (controller 120): ringing and releasing notes are silent too.
    fn silence(block: usize) -> Self {
        Self { block, message: [0xB0, 0x78, 0] }
    }
}

/// The beginning of a block.
fn seconds(block: usize) -> f32 {
    (block * BLOCK_SAMPLES) as f32 / SYNTH_RATE_HZ as f32
}

/// All events in order; at the same time keys go up, and hands have damped, before keys go down.
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
