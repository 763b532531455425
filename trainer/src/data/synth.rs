//! A score played by one program of a soundfont.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::{Error, Result};
use rustysynth::{SoundFont, Synthesizer, SynthesizerSettings};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::score::Score;

/// Rate at which soundfonts are played: that of nearly all their samples.
pub const SYNTH_RATE_HZ: u32 = 44_100;
/// Samples between two looks at the score, and the grid on which notes start: 1.5 ms.
const BLOCK_SAMPLES: usize = 64;
/// Voices; a dense chord with long releases on stereo samples needs more than the usual 64.
const POLYPHONY: usize = 192;

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
        let sha256 = sha256_of(path)?;
        let file = File::open(path).map_err(|e| Error::file(path, e))?;
        let font = SoundFont::new(&mut BufReader::with_capacity(1 << 20, file)).map_err(|e| {
            Error::file(path, format!("expected an SF2 soundfont with 16-bit samples, found: {e}"))
        })?;
        let file = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Self { id: SoundFontId { file, sha256 }, font: Arc::new(font) })
    }

    /// The soundfonts of these identities, in their order, among the files given.
    ///
    /// # Errors
    /// If a file cannot be read, or none of them is one of the wanted.
    pub fn open_all(wanted: &[SoundFontId], given: &[PathBuf]) -> Result<Vec<Self>> {
        let given = given.iter().map(|path| Self::open(path)).collect::<Result<Vec<_>>>()?;
        let find = |id: &SoundFontId| {
            let bank = given.iter().find(|bank| bank.id == *id).cloned();
            let found = given.iter().map(|bank| bank.id.file.as_str()).collect::<Vec<_>>().join(", ");
            bank.ok_or_else(|| Error::invalid("soundfonts", format!("the dataset's {id:?}"), found))
        };
        wanted.iter().map(find).collect()
    }

    /// Refuses a program that the soundfont lacks (the synthesiser would silently play another one).
    pub fn check_program(&self, program: u8) -> Result<()> {
        let presets = self.font.get_presets();
        if presets.iter().any(|p| p.get_bank_number() == 0 && p.get_patch_number() == i32::from(program)) {
            return Ok(());
        }
        let expected = format!("a preset for General MIDI program {program} (counted from 0)");
        Err(Error::invalid(&self.id.file, expected, format!("{} presets without it", presets.len())))
    }

    /// A player for one thread.
    pub fn player(&self) -> Result<Player> {
        let mut settings = SynthesizerSettings::new(SYNTH_RATE_HZ as i32);
        settings.block_size = BLOCK_SAMPLES;
        settings.maximum_polyphony = POLYPHONY;
        settings.enable_reverb_and_chorus = false;
        let synthesizer = Synthesizer::new(&self.font, &settings)
            .map_err(|e| Error::invalid("synthesiser", "usable settings", e))?;
        Ok(Player { synthesizer })
    }
}

fn sha256_of(path: &Path) -> Result<String> {
    let mut file = File::open(path).map_err(|e| Error::file(path, e))?;
    let mut hash = Sha256::new();
    let mut block = vec![0; 1 << 20];
    loop {
        match file.read(&mut block).map_err(|e| Error::file(path, e))? {
            0 => return Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect()),
            n => hash.update(&block[..n]),
        }
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
pub struct Player {
    synthesizer: Synthesizer,
}

impl Player {
    /// Plays a score with a General MIDI program, detuned by `tuning_cents` (±100), for `samples`.
    ///
    /// No reverb, no chorus, and nothing left over from the score before.
    pub fn play(&mut self, score: &Score, program: u8, tuning_cents: f32, samples: usize) -> Stereo {
        self.synthesizer.reset();
        self.synthesizer.process_midi_message(0, 0xC0, i32::from(program), 0);
        self.tune(tuning_cents);
        let events = events(score);
        let mut next = 0;
        let (mut left, mut right) = (vec![0.0; samples], vec![0.0; samples]);
        let blocks = left.chunks_mut(BLOCK_SAMPLES).zip(right.chunks_mut(BLOCK_SAMPLES));
        for (block, (left, right)) in blocks.enumerate() {
            while let Some(event) = events.get(next).filter(|e| e.block <= block) {
                self.synthesizer.process_midi_message(
                    0,
                    0x90,
                    i32::from(event.key),
                    i32::from(event.velocity),
                );
                next += 1;
            }
            self.synthesizer.render(left, right);
        }
        Stereo { left, right }
    }

    /// Registered parameter 1 (MIDI 1.0, "channel fine tuning"): 14 bits, 8192 is in tune, ±100 cents.
    fn tune(&mut self, cents: f32) {
        let value = (8192.0 + 8192.0 * cents / 100.0).round().clamp(0.0, 16_383.0) as i32;
        for (controller, data) in [(0x65, 0), (0x64, 1), (0x06, value >> 7), (0x26, value & 0x7f)] {
            self.synthesizer.process_midi_message(0, 0xB0, controller, data);
        }
    }
}

/// A key going down, or up (velocity 0).
struct Event {
    block: usize,
    key: u8,
    velocity: u8,
}

/// All events in order; at the same time keys go up before they go down.
fn events(score: &Score) -> Vec<Event> {
    let block = |s: f32| (s.max(0.0) * SYNTH_RATE_HZ as f32 / BLOCK_SAMPLES as f32).round() as usize;
    let mut events: Vec<Event> = Vec::with_capacity(2 * score.notes.len());
    for n in &score.notes {
        events.push(Event { block: block(n.onset_s), key: n.key, velocity: n.velocity });
        events.push(Event { block: block(n.end_s()).max(block(n.onset_s) + 1), key: n.key, velocity: 0 });
    }
    events.sort_by_key(|e| (e.block, e.velocity > 0, e.key));
    events
}
