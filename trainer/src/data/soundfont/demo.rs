//! `trainer demo`: renders the clips in the repository from soundfonts.
//!
//! - `presets/demo/piano.flac` and `.mid`: "Greensleeves" (traditional), FluidR3;
//! - `presets/styles/<instrument>.flac`: one study of the built-in composer on each of
//!   [`instruments::SHIPPED_STYLES`], FluidR3;
//! - `tests/fixtures/unseen_piano.flac` and `.mid`: the first bars of the prelude BWV 846 by J. S.
//!   Bach, TimGM6mb.
//!
//! None of them is in a training set. TimGM6mb shares no samples with the training soundfonts.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use engine::{Error, Result, whole_file};
use flac_codec::encode::{FlacSampleWriter, Options};
use rand::Rng;

use super::synth::{SYNTH_RATE_HZ, SoundBank, Stereo};
use crate::data::random;
use crate::data::score::{Note, Score, compose, instruments, midi};

/// Bits of a sample. The clips need half the space of files that `engine::audio_file` writes.
const BITS: u32 = 16;
/// RMS of a clip.
const CLIP_DBFS: f32 = -20.0;
/// Maximum peak of a clip. It limits the RMS.
const PEAK: f32 = 0.95;
/// Time after the last note.
const RING_S: f32 = 1.5;
/// Seed of the study and of the timing deviations.
const SEED: u64 = 2025;
/// Length of the fade-out at the end of a clip.
const FADE_S: f32 = 0.05;
/// Length of a style reference, equal to the history of the engine's level measurement.
const STYLE_S: f32 = 12.0;

/// Renders the demo clips and style references of the repository.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Path of FluidR3_GM.sf2, for the demo piece and the style references.
    #[arg(long, value_name = "FILE")]
    pub soundfont: PathBuf,
    /// Path of TimGM6mb.sf2, an unseen soundfont.
    #[arg(long, value_name = "FILE")]
    pub unseen_soundfont: PathBuf,
    /// Root folder of the repository.
    #[arg(long, default_value = ".", value_name = "DIR")]
    pub root: PathBuf,
}

/// Renders all clips and writes their scores.
///
/// # Errors
/// If a soundfont cannot be read, lacks a program, or a file cannot be written.
pub fn run(args: &Args) -> Result<()> {
    let bank = SoundBank::open(&args.soundfont)?;
    let unseen = SoundBank::open(&args.unseen_soundfont)?;
    let piano = instruments::by_name("piano")?.programs[0];
    let demo = args.root.join("presets/demo/piano");
    clip(&bank, piano, &greensleeves(), &demo.with_extension("flac"), false)?;
    midi::write(&demo.with_extension("mid"), &greensleeves())?;
    let fixture = args.root.join("tests/fixtures/unseen_piano");
    clip(&unseen, piano, &prelude(), &fixture.with_extension("flac"), false)?;
    midi::write(&fixture.with_extension("mid"), &prelude())?;
    for name in instruments::SHIPPED_STYLES {
        let instrument = instruments::by_name(name)?;
        let study = compose::study(SEED, STYLE_S, &instrument);
        let path = args.root.join("presets/styles").join(name).with_extension("flac");
        clip(&bank, instrument.programs[0], &study, &path, true)?;
    }
    Ok(())
}

/// Renders a score and writes it at [`CLIP_DBFS`].
fn clip(bank: &SoundBank, program: u8, score: &Score, path: &Path, mono: bool) -> Result<()> {
    bank.check_program(program)?;
    let samples = (score.length_s * SYNTH_RATE_HZ as f32) as usize;
    let Stereo { left, right } = bank.voice()?.play(score, program, 0.0, samples);
    let mut channels = if mono {
        vec![left.iter().zip(&right).map(|(l, r)| 0.5 * (l + r)).collect::<Vec<f32>>()]
    } else {
        vec![left, right]
    };
    let all = || channels.iter().flatten();
    let rms =
        (all().map(|v| f64::from(v * v)).sum::<f64>() / all().count().max(1) as f64).sqrt() as f32;
    let peak = all().fold(0.0f32, |p, v| p.max(v.abs()));
    let gain = (10.0f32.powf(CLIP_DBFS / 20.0) / rms.max(1e-9)).min(PEAK / peak.max(1e-9));
    let fade_samples = FADE_S * SYNTH_RATE_HZ as f32;
    for channel in &mut channels {
        let end = channel.len();
        for (n, value) in channel.iter_mut().enumerate() {
            *value *= gain * ((end - n) as f32 / fade_samples).min(1.0);
        }
    }
    write_flac(path, &channels)
}

/// Writes a 16-bit FLAC file at [`SYNTH_RATE_HZ`].
fn write_flac(path: &Path, channels: &[Vec<f32>]) -> Result<()> {
    let scale = f32::from(i16::MAX);
    let interleaved: Vec<i32> = (0..channels[0].len())
        .flat_map(|n| channels.iter().map(move |c| (c[n] * scale).round() as i32))
        .collect();
    let (options, count) = (Options::default().no_padding().no_seektable(), channels.len() as u8);
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = FlacSampleWriter::new(&mut bytes, options, SYNTH_RATE_HZ, BITS, count, None)
        .map_err(|e| Error::file(path, e))?;
    writer.write(&interleaved).map_err(|e| Error::file(path, e))?;
    writer.finalize().map_err(|e| Error::file(path, e))?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|e| Error::file(folder, e))?;
    }
    whole_file::write(path, bytes.get_ref())
}

/// A written note: start and length in beats, key, velocity.
type Written = (f32, f32, u8, f32);

/// Performs written notes at a steady tempo with small deviations and a ritardando at the end.
fn perform(written: &[Written], beat_s: f32, name: &str) -> Score {
    let rng = &mut random::stream(SEED, name, 0);
    let last_beat = written.iter().map(|w| w.0).fold(0.0, f32::max);
    // In the last bar, time is quadratic in the beat.
    let time_s = |beat: f32| {
        let late = (beat - (last_beat - 4.0)).max(0.0);
        0.3 + beat_s * (beat + 0.05 * late * late)
    };
    let mut note = |&(beat, beats, key, velocity): &Written| {
        let onset_s = time_s(beat) + rng.random_range(0.0..0.012);
        let duration_s = (time_s(beat + beats) - time_s(beat)) * 0.97;
        let velocity = (velocity + rng.random_range(-4.0..4.0)).clamp(1.0, 127.0) as u8;
        Note { onset_s, duration_s, key, velocity }
    };
    let notes: Vec<Note> = written.iter().map(&mut note).collect();
    let end_s = notes.iter().map(Note::end_s).fold(0.0, f32::max);
    Score::new(notes, end_s + RING_S)
}

/// The first strain of "Greensleeves" (England, 16th century) over broken chords. A beat is an
/// eighth note.
fn greensleeves() -> Score {
    const MELODY: [(f32, u8); 31] = [
        (1.0, 69), // the upbeat
        (2.0, 72),
        (1.0, 74),
        (1.5, 76),
        (0.5, 77),
        (1.0, 76),
        (2.0, 74),
        (1.0, 71),
        (1.5, 67),
        (0.5, 69),
        (1.0, 71),
        (2.0, 72),
        (1.0, 69),
        (1.5, 69),
        (0.5, 68),
        (1.0, 69),
        (2.0, 71),
        (1.0, 68),
        (2.0, 64),
        (1.0, 69),
        (2.0, 72),
        (1.0, 74),
        (1.5, 76),
        (0.5, 77),
        (1.0, 76),
        (2.0, 74),
        (1.0, 71),
        (1.5, 67),
        (0.5, 69),
        (1.0, 71),
        (1.5, 72),
    ];
    const CADENCE: [(f32, u8); 6] =
        [(0.5, 71), (1.0, 69), (1.5, 68), (0.5, 66), (1.0, 68), (4.0, 69)];
    const A_MINOR: [u8; 3] = [57, 60, 64];
    const G_MAJOR: [u8; 3] = [55, 59, 62];
    const E_MAJOR: [u8; 3] = [56, 59, 64];
    let chords: [[u8; 3]; 14] = [
        A_MINOR, A_MINOR, G_MAJOR, G_MAJOR, A_MINOR, A_MINOR, E_MAJOR, E_MAJOR, A_MINOR, A_MINOR,
        G_MAJOR, G_MAJOR, A_MINOR, E_MAJOR,
    ];
    let mut written: Vec<Written> = Vec::new();
    let mut beat = 0.0;
    for (beats, key) in MELODY.into_iter().chain(CADENCE) {
        let on_the_beat = if (beat - 1.0) % 3.0 == 0.0 { 6.0 } else { 0.0 };
        let arch = 10.0 * (beat * std::f32::consts::PI / 24.0).sin().abs();
        written.push((beat, beats, key, 74.0 + arch + on_the_beat));
        beat += beats;
    }
    for (half_bar, chord) in chords.into_iter().enumerate() {
        for (i, key) in chord.into_iter().enumerate() {
            written.push((1.0 + 3.0 * half_bar as f32 + i as f32, 3.0 - i as f32, key, 50.0));
        }
    }
    for key in A_MINOR {
        written.push((43.0, 4.0, key, 50.0));
    }
    perform(&written, 0.4, "greensleeves")
}

/// Bars 1 to 3 of the prelude in C major, BWV 846, and its last chord. A beat is a sixteenth note.
fn prelude() -> Score {
    const BARS: [[u8; 5]; 3] = [[60, 64, 67, 72, 76], [60, 62, 69, 74, 77], [59, 62, 67, 74, 77]];
    let mut written: Vec<Written> = Vec::new();
    for (bar, keys) in BARS.into_iter().enumerate() {
        for half in 0..2 {
            let start = 16.0 * bar as f32 + 8.0 * half as f32;
            for (i, key) in keys.into_iter().chain([keys[2], keys[3], keys[4]]).enumerate() {
                let beats = if i < 2 { 8.0 - i as f32 } else { 1.0 };
                written.push((start + i as f32, beats, key, if i == 0 { 78.0 } else { 66.0 }));
            }
        }
    }
    for key in [60, 64, 67, 72] {
        written.push((48.0, 4.0, key, 70.0));
    }
    perform(&written, 0.19, "prelude")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pieces_are_in_the_range_of_every_instrument() {
        for (score, seconds) in [(greensleeves(), 17.0..23.0), (prelude(), 9.0..14.0)] {
            assert!(seconds.contains(&score.length_s), "{} s", score.length_s);
            let (low, high) = score.key_range().unwrap();
            assert!(low >= 55 && high <= 88, "keys {low} to {high}");
        }
        let piano = instruments::by_name("piano").unwrap();
        let (low, high) = compose::study(SEED, STYLE_S, &piano).key_range().unwrap();
        assert!(
            low <= 60 && high >= 80 && low >= 55 && high <= 88,
            "the study's keys {low} to {high}"
        );
    }
}
