//! `trainer sample`: writes a soundfont from recorded notes.
//!
//! Many soundfonts share their samples, so they add little variety. Recordings of single notes are
//! widely available. The input is one file for each note, `<instrument>/<note>.wav`, `.flac`,
//! `.mp3` or `.ogg` (`C4` is the middle C). The soundfont has every program that `render` uses.
//! Programs without recordings are [`synthetic`].

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};

use engine::audio_file::{Audio, decode};
use engine::{Error, Result};
use rayon::prelude::*;

use super::note_name::{self, DetectedPitch};
use super::sustain::{self, Sustained};
use super::synthetic;
use super::writer::{
    self, Envelope, Preset, SMALLEST_PEAK, Zone, fade_out, nearest_keys, peak, quantised,
};
use crate::data::score::instruments;
use crate::data::source_files::{self, SourceFile};

/// A note begins where it first reaches this share of its peak (-40 dB).
const ONSET: f32 = 0.01;
/// Time before the onset that is kept.
const LEAD_S: f32 = 0.002;
/// Maximum length of a struck or plucked sound.
const LONGEST_DECAY_S: f32 = 6.0;
/// Minimum length of a struck or plucked sound.
const SHORTEST_DECAY_S: f32 = 0.05;

/// Writes a soundfont from recorded notes.
///
/// General MIDI programs without recordings get synthetic instruments, as from `synthesise`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Folder of `<instrument>/<note>.<ending>` files (audio files). Instruments are those
    /// of `render`, notes are named A3, C#4, Cs4 or Bb2 (C4 is key 60).
    #[arg(long, value_name = "DIR")]
    pub notes: PathBuf,
    /// Path of the SF2 file.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Seed of the synthetic instruments.
    #[arg(long, default_value_t = 1, value_name = "SEED")]
    pub seed: u64,
}

/// One recorded note.
struct Note {
    key: u8,
    rate_hz: u32,
    /// Its detected pitch; `None` if that is not clear.
    pitch: Option<DetectedPitch>,
    sound: Sustained,
}

/// Writes the soundfont and prints the files that are not notes.
///
/// # Errors
/// If a folder is not named after an instrument, has no note, or has notes in another octave than
/// their names. If a file cannot be read or written.
pub fn run(args: &Args) -> Result<()> {
    let (mut presets, skipped) = recorded(&args.notes)?;
    skipped.iter().for_each(|line| println!("skipped: {line}"));
    let missing: Vec<u8> = instruments::programs()
        .into_iter()
        .filter(|program| !presets.iter().any(|preset| preset.programs.contains(program)))
        .collect();
    let names: Vec<&str> = presets.iter().map(|preset| preset.name.as_str()).collect();
    let summary = format!("recorded: {}; synthetic: {} programs", names.join(", "), missing.len());
    presets.extend(synthetic::presets(args.seed, &missing));
    writer::write(&args.out, "Luthier sampled", &presets)?;
    println!("{}: {summary}", args.out.display());
    Ok(())
}

/// The instruments of a folder, and a line for each unusable file.
fn recorded(folder: &Path) -> Result<(Vec<Preset>, Vec<String>)> {
    let found = source_files::find(folder)?;
    let mut skipped: Vec<String> =
        found.skipped.iter().map(|s| format!("{}: {}", s.file, s.reason)).collect();
    let mut of_instrument: BTreeMap<&str, Vec<&SourceFile>> = BTreeMap::new();
    found
        .files
        .iter()
        .for_each(|source| of_instrument.entry(&source.instrument).or_default().push(source));
    let mut presets = Vec::new();
    for (name, files) in of_instrument {
        let instrument = instruments::by_name(name).map_err(|e| Error::file(&files[0].path, e))?;
        let (notes, refused) = notes(&files, instruments::decays(instrument.programs[0]))?;
        if notes.is_empty() {
            return Err(Error::invalid(name, "a usable note", refused.join("; ")));
        }
        note_name::check_octave(name, notes.iter().filter_map(|note| note.pitch))?;
        skipped.extend(refused);
        presets.push(Preset {
            name: name.to_string(),
            programs: instrument.programs.to_vec(),
            zones: zones(&notes),
        });
    }
    Ok((presets, skipped))
}

/// The notes among the files, by key, and a line for each other file.
fn notes(files: &[&SourceFile], decays: bool) -> Result<(Vec<Note>, Vec<String>)> {
    let (mut by_key, mut refused) = (BTreeMap::<u8, &SourceFile>::new(), Vec::new());
    for &file in files {
        match note_name::key(&file.name).map(|key| by_key.entry(key)) {
            Some(Entry::Vacant(place)) => drop(place.insert(file)),
            Some(Entry::Occupied(other)) => {
                refused.push(format!(
                    "{}: expected one file for each key, found {} for the same key",
                    file.file,
                    other.get().file
                ));
            }
            None => refused.push(format!("{}: expected a name like A3 or C#4", file.file)),
        }
    }
    let by_key: Vec<(u8, &SourceFile)> = by_key.into_iter().collect();
    let read = by_key.par_iter().map(|&(key, file)| {
        let audio = decode(&file.path)?;
        let rate_hz = audio.sample_rate_hz;
        let recording = from_onset(&audio);
        let pitch = DetectedPitch::from_recording(key, &recording, rate_hz);
        Ok(sound(&recording, rate_hz, decays).map(|sound| Note { key, rate_hz, pitch, sound }))
    });
    let mut notes = Vec::new();
    for ((_, file), note) in by_key.iter().zip(read.collect::<Result<Vec<_>>>()?) {
        match note {
            Some(Note { pitch: Some(pitch), .. }) if pitch.is_another_note() => {
                refused.push(format!(
                    "{}: expected the note of its name (C4 is the middle C), found a deviation of \
                     {:+.1} semitones",
                    file.file, pitch.deviation
                ));
            }
            Some(note) => notes.push(note),
            None if decays => refused
                .push(format!("{}: expected {SHORTEST_DECAY_S} s of sound, found less", file.file)),
            None => refused.push(format!(
                "{}: expected {} s of steady sound, found less",
                file.file,
                sustain::SHORTEST_S
            )),
        }
    }
    Ok((notes, refused))
}

/// A recording as one channel, from its onset on.
fn from_onset(audio: &Audio) -> Vec<f32> {
    let mono = audio.mono();
    let floor = ONSET * peak(&mono);
    let onset = mono.iter().position(|v| v.abs() > floor).unwrap_or(0);
    mono[onset.saturating_sub((LEAD_S * audio.sample_rate_hz as f32) as usize)..].to_vec()
}

/// The sound of a key, decaying or with a loop; `None` if it is too short.
fn sound(recording: &[f32], rate_hz: u32, decays: bool) -> Option<Sustained> {
    if peak(recording) < SMALLEST_PEAK
        || recording.len() < (SHORTEST_DECAY_S * rate_hz as f32) as usize
    {
        return None;
    }
    if !decays {
        return sustain::sustained(recording, rate_hz);
    }
    let longest = (LONGEST_DECAY_S * rate_hz as f32) as usize;
    let mut samples = recording[..recording.len().min(longest)].to_vec();
    fade_out(&mut samples);
    Some(Sustained { samples, loops: None })
}

/// Zones of an instrument's notes. They keep their relative levels.
fn zones(notes: &[Note]) -> Vec<Zone> {
    let loudest = notes.iter().map(|note| peak(&note.sound.samples)).fold(0.0, f32::max);
    let roots: Vec<u8> = notes.iter().map(|note| note.key).collect();
    let zone = |(note, keys): (&Note, [u8; 2])| Zone {
        keys,
        samples: quantised(&note.sound.samples, loudest),
        rate_hz: note.rate_hz,
        root_key: note.key,
        tune_cents: 0,
        loops: note.sound.loops,
        envelope: Envelope::AS_RECORDED,
    };
    notes.iter().zip(nearest_keys(&roots)).map(zone).collect()
}

#[cfg(test)]
mod tests {
    use std::f32::consts::TAU;

    use engine::audio_file::{SampleFormat, encode};

    use super::*;
    use crate::data::score::{self, Score};
    use crate::data::soundfont::synth::{SYNTH_RATE_HZ, SoundBank};

    const RATE_HZ: u32 = 44_100;

    /// Writes 2.5 s of a tone after 100 ms of silence.
    fn record(folder: &Path, instrument: &str, note: &str, hz: f32) {
        let place = folder.join(instrument);
        std::fs::create_dir_all(&place).unwrap();
        let tone = |i: usize| {
            let t = i as f32 / RATE_HZ as f32;
            let decay = if instrument == "piano" { (-2.0 * t).exp() } else { 1.0 };
            0.3 * decay * (1..4).map(|n| (TAU * hz * n as f32 * t).sin() / n as f32).sum::<f32>()
        };
        let samples = vec![0.0; 4410].into_iter().chain((0..110_250).map(tone)).collect();
        let audio = Audio { sample_rate_hz: RATE_HZ, channels: vec![samples] };
        encode(place.join(format!("{note}.wav")), &audio, SampleFormat::Int24).unwrap();
    }

    #[test]
    fn recorded_notes_cover_every_key_and_last_while_it_is_held() {
        let folder = tempfile::tempdir().unwrap();
        let notes = folder.path().join("notes");
        record(&notes, "violin", "A4", 440.0);
        record(&notes, "violin", "A5", 880.0);
        record(&notes, "piano", "A4", 440.0);
        record(&notes, "piano", "a note", 440.0);
        record(&notes, "violin", "Gs5", 830.6);
        record(&notes, "violin", "Ab5", 830.6);
        std::fs::write(notes.join("piano/README.md"), "not a sound").unwrap();
        let (presets, skipped) = recorded(&notes).unwrap();
        assert_eq!(presets.iter().map(|p| p.programs.clone()).collect::<Vec<_>>(), [[0], [40]]);
        assert_eq!(
            presets[1].zones.iter().map(|z| z.keys).collect::<Vec<_>>(),
            [[0, 74], [75, 80], [81, 127]]
        );
        assert!(skipped.len() == 2 && skipped[0].contains("piano/a note.wav"), "{skipped:?}");
        assert!(
            skipped[1].contains("violin/Gs5.wav") && skipped[1].contains("violin/Ab5.wav"),
            "{skipped:?}"
        );

        let out = folder.path().join("sampled.sf2");
        run(&Args { notes, out: out.clone(), seed: 1 }).unwrap();
        let bank = SoundBank::open(&out).unwrap();
        instruments::programs()
            .into_iter()
            .for_each(|program| bank.check_program(program).unwrap());
        let second = SYNTH_RATE_HZ as usize;
        let played = |program: u8, key: u8| {
            let note = score::Note { onset_s: 0.0, duration_s: 5.0, key, velocity: 100 };
            bank.voice().unwrap().play(&Score::new(vec![note], 5.0), program, 0.0, 5 * second).left
        };
        let rms =
            |part: &[f32]| (part.iter().map(|v| v * v).sum::<f32>() / part.len() as f32).sqrt();
        for key in [62, 69, 80] {
            let sound = played(40, key);
            assert!(
                rms(&sound[..second / 50]) > 0.2 * rms(&sound[second..2 * second]),
                "no silence at the start"
            );
            let held = rms(&sound[4 * second..]) / rms(&sound[second..2 * second]);
            assert!((0.9..1.1).contains(&held), "key {key}: {held}");
            let period = SYNTH_RATE_HZ as f32 / (440.0 * ((f32::from(key) - 69.0) / 12.0).exp2());
            let steady = &sound[4 * second..][..16_384];
            let correlation =
                |lag: usize| steady.iter().zip(&steady[lag..]).map(|(a, b)| a * b).sum::<f32>();
            assert!(correlation(period.round() as usize) > 0.8 * correlation(0), "key {key}");
            assert!(
                correlation((period / 2.0).round() as usize) < 0.3 * correlation(0),
                "key {key}: an octave above"
            );
        }
        let struck = played(0, 69);
        assert!(rms(&struck[4 * second..]) < 0.05 * rms(&struck[..second / 2]), "a piano decays");
    }

    #[test]
    fn notes_with_a_wrong_name_are_listed() {
        let folder = tempfile::tempdir().unwrap();
        let hz = |key: f32| 440.0 * ((key - 69.0) / 12.0).exp2();
        let played = [57.0, 78.0, 60.3, 65.0, 67.0, 86.0, 107.0];
        for (note, key) in ["A3", "B3", "C4", "E4", "G4", "D5", "C8"].into_iter().zip(played) {
            record(folder.path(), "piano", note, hz(key));
        }
        let (presets, skipped) = recorded(folder.path()).unwrap();
        let roots: Vec<u8> = presets[0].zones.iter().map(|zone| zone.root_key).collect();
        assert_eq!(
            roots,
            [57, 59, 60, 67, 74, 108],
            "a note with a loud partial stays, and C8 is not checked"
        );
        assert_eq!(skipped.len(), 1, "{skipped:?}");
        assert!(
            skipped[0].contains("piano/E4.wav") && skipped[0].contains("+1.0 semitones"),
            "{skipped:?}"
        );

        for (note, key) in [("A3", 69.0), ("C4", 72.0), ("E4", 76.0), ("G4", 79.0), ("D5", 74.0)] {
            record(folder.path(), "violin", note, hz(key));
        }
        let message = recorded(folder.path()).err().unwrap().to_string();
        assert!(
            message.contains("violin") && message.contains("4 of 5 notes +12 semitones"),
            "{message}"
        );
    }

    #[test]
    fn folders_without_instrument_or_note_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        record(folder.path(), "theremin", "A4", 440.0);
        let message = recorded(folder.path()).err().unwrap().to_string();
        assert!(message.contains("theremin") && message.contains("violin"), "{message}");
        std::fs::rename(folder.path().join("theremin"), folder.path().join("oboe")).unwrap();
        std::fs::rename(folder.path().join("oboe/A4.wav"), folder.path().join("oboe/long.wav"))
            .unwrap();
        let message = recorded(folder.path()).err().unwrap().to_string();
        assert!(message.contains("oboe") && message.contains("C#4"), "{message}");
        let silence = Audio { sample_rate_hz: RATE_HZ, channels: vec![vec![0.0; 88_200]; 2] };
        for instrument in ["oboe", "harp"] {
            let place = folder.path().join(instrument);
            std::fs::create_dir_all(&place).unwrap();
            encode(place.join("A4.wav"), &silence, SampleFormat::Int24).unwrap();
            let message = recorded(folder.path()).err().unwrap().to_string();
            assert!(message.contains(&format!("{instrument}/A4.wav")), "{message}");
            std::fs::remove_dir_all(place).unwrap();
        }
    }
}
