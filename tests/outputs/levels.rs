//! The level of the output follows the input's, note by note.

use std::f64::consts::TAU;

use engine::audio_file::Audio;
use engine::settings::Settings;
use engine::style::StyleTokens;
use tests::score::pitch_hz;
use tests::spectrum::Section;
use tests::transfer::{MODEL, tokens, transfer_with_style};
use tests::{skip, workspace};

const RATE_HZ: u32 = 22_050;
const NOTE_SECONDS: f64 = 0.5;

fn hz(key: u8) -> f64 {
    pitch_hz(key.into())
}

/// Decaying notes with harmonic partials, one after the other, at -20 dBFS RMS.
fn phrase(keys: &[u8]) -> Vec<f32> {
    let samples = (NOTE_SECONDS * f64::from(RATE_HZ)) as usize;
    let note = |key: u8| {
        let partials = (10_000.0 / hz(key)).clamp(1.0, 30.0) as usize;
        (0..samples).map(move |n| {
            let t = n as f64 / f64::from(RATE_HZ);
            let partial = |k: usize| {
                let k = k as f64;
                (TAU * hz(key) * k * t + k * k).sin() * k.powf(-1.2) * (-t * (1.0 + 0.3 * k)).exp()
            };
            let edges = (t / 0.004).min((NOTE_SECONDS - t) / 0.03).min(1.0);
            (1..=partials).map(partial).sum::<f64>() * edges
        })
    };
    let notes: Vec<f64> = keys.iter().flat_map(|&key| note(key)).collect();
    let rms = (notes.iter().map(|x| x * x).sum::<f64>() / notes.len() as f64).sqrt();
    notes.iter().map(|x| (x / rms * 0.1) as f32).collect()
}

fn styles() -> Option<Vec<StyleTokens>> {
    if !workspace(MODEL).exists() {
        skip("levels", "no shipped model in presets/");
        return None;
    }
    Some(["violin", "piano", "clarinet", "cello", "marimba"].map(tokens).into())
}

fn transferred(content: &[f32], style: &StyleTokens) -> Vec<f32> {
    let input = Audio { sample_rate_hz: RATE_HZ, channels: vec![content.to_vec()] };
    transfer_with_style(&input, style.clone(), &Settings::default()).channels.remove(0)
}

fn level_db(samples: &[f32]) -> f64 {
    let power = samples.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
    10.0 * (power / samples.len() as f64 + 1e-30).log10()
}

/// Levels over 400 ms, every 100 ms.
fn short_term_db(samples: &[f32]) -> Vec<f64> {
    let tenth = RATE_HZ as usize / 10;
    (0..samples.len() / tenth - 3).map(|i| level_db(&samples[i * tenth..(i + 4) * tenth])).collect()
}

/// Changes of the level over 400 ms, where the input is at most 40 dB below its maximum.
fn changes_db(input: &[f32], output: &[f32]) -> Vec<f64> {
    let (input, output) = (short_term_db(input), short_term_db(output));
    let loudest = input.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let pairs = input.iter().zip(&output).filter(|(input, _)| **input > loudest - 40.0);
    pairs.map(|(input, output)| output - input).collect()
}

/// The level of one frequency in a note.
fn partial_db(samples: &[f32], hz: f64) -> f64 {
    let amplitude = Section::new(samples, 0, samples.len()).amplitude(hz / f64::from(RATE_HZ));
    20.0 * (amplitude + 1e-15).log10()
}

#[test]
fn the_output_follows_the_level_of_quiet_input() {
    let Some(styles) = styles() else { return };
    let phrase = phrase(&[60, 64, 67, 72, 71, 67]);
    for style in &styles {
        for below_db in [20.0, 40.0, 60.0, 70.0f32] {
            let quiet: Vec<f32> = phrase.iter().map(|x| x * 10f32.powf(-below_db / 20.0)).collect();
            let output = transferred(&quiet, style);
            let change_db = level_db(&output) - level_db(&quiet);
            assert!(change_db.abs() < 6.0, "{below_db} dB below: {change_db} dB");
            let changes_db = changes_db(&quiet, &output);
            assert!(changes_db.iter().all(|db| db.abs() < 6.5), "{below_db}: {changes_db:.1?}");
        }
        assert!(transferred(&vec![0.0; 44_100], style).iter().all(|&x| x == 0.0), "silence");
    }
}

#[test]
fn a_fade_out_decreases_to_its_end() {
    let Some(styles) = styles() else { return };
    let chord = |n: usize| -> f32 {
        [57, 60, 64]
            .map(|key| (TAU * hz(key) * n as f64 / f64::from(RATE_HZ)).sin() as f32)
            .iter()
            .sum()
    };
    for seconds in [4.0, 9.0, 20.0f32] {
        let fade_db = |n: usize| -90.0 * n as f32 / RATE_HZ as f32 / seconds;
        let content: Vec<f32> = (0..(seconds * RATE_HZ as f32) as usize)
            .map(|n| 0.1 * chord(n) * 10f32.powf(fade_db(n) / 20.0))
            .collect();
        for style in &styles {
            let levels_db = short_term_db(&transferred(&content, style));
            let mut least_db = f64::INFINITY;
            // The target instrument's onset takes up to 1 s.
            for (i, &db) in levels_db.iter().enumerate().skip(10) {
                least_db = least_db.min(db);
                assert!(db < least_db + 3.0, "{seconds} s, {} s: {levels_db:.0?}", i as f32 / 10.0);
            }
        }
    }
}

/// Checks the level and the fundamental of each note.
fn check_notes(keys: &[u8]) {
    let Some(styles) = styles() else { return };
    let content = phrase(keys);
    for style in &styles {
        let wet = transferred(&content, style);
        let samples = content.len() / keys.len();
        for (i, &key) in keys.iter().enumerate() {
            let [dry, wet] = [&content, &wet].map(|x| &x[i * samples..(i + 1) * samples]);
            let level_db = level_db(wet) - level_db(dry);
            let fundamental_db = partial_db(wet, hz(key)) - partial_db(dry, hz(key));
            assert!(level_db.abs() < 12.0, "key {key}: {level_db} dB");
            assert!(fundamental_db.abs() < 12.0, "key {key}: fundamental {fundamental_db} dB");
        }
    }
}

#[test]
fn high_notes_keep_their_level() {
    check_notes(&[84, 91, 98, 100, 103, 108]);
}

#[test]
fn low_notes_keep_their_level_and_fundamental() {
    check_notes(&[21, 24, 28, 31, 36, 40]);
}
