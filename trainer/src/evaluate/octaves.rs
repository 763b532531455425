//! `trainer evaluate octaves`: level and fundamental of notes from A0 to C8, by octave and style.

use std::f64::consts::TAU;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use engine::audio_file::{Audio, decode};
use engine::checkpoint::Checkpoint;
use engine::inference_model::InferenceModel;
use engine::latency_mode::LatencyMode;
use engine::nn::packed::Packed;
use engine::settings::Settings;
use engine::style::StyleTokens;
use engine::{Error, Result};
use rayon::prelude::*;
use serde_json::json;

use super::audio_judge::{style_tokens, transfer};
use super::sampling::Sampling;
use crate::data::source_files::walk;

const RATE_HZ: u32 = 44_100;
const NOTE_SECONDS: f64 = 0.75;
/// RMS level of a phrase.
const LEVEL: f64 = 0.1;
/// MIDI key of A0.
const LOWEST_KEY: u8 = 21;
/// Octaves from A to A; the last one is A7 to C8.
const OCTAVES: u8 = 8;
/// Notes of an octave, in semitones above its A.
const NOTES: [u8; 4] = [0, 3, 6, 9];
/// MIDI key of C8.
const HIGHEST_KEY: u8 = 108;

/// Evaluates synthetic notes from A0 to C8 in each style.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Model file.
    #[arg(long)]
    pub model: PathBuf,
    /// Folder of recordings, one for each style.
    #[arg(long, default_value = "presets/styles")]
    pub styles: PathBuf,
    /// Sampler settings.
    #[command(flatten)]
    pub sampling: Sampling,
    /// Write the figures as JSON to this file.
    #[arg(long)]
    pub json: Option<PathBuf>,
}

/// Changes of one octave in dB: of its notes, the value that is farthest from 0.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
struct Change {
    level_db: f64,
    fundamental_db: f64,
}

/// Runs the evaluation and prints its tables.
///
/// # Errors
/// If a file cannot be read or written, or a network fails.
pub fn run(args: &Args) -> Result<()> {
    let model = InferenceModel::packed(&Checkpoint::read(&args.model)?)?;
    let phrases: Vec<Phrase> = (0..OCTAVES).map(Phrase::new).collect();
    let settings = args.sampling.settings();
    let rows: Vec<(String, Vec<Change>)> = recordings(&args.styles)?
        .par_iter()
        .map(|path| {
            let style = style_tokens(&model, &decode(path)?)?;
            let change = |phrase: &Phrase| phrase.change(&model, &style, &settings);
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            Ok((name, phrases.iter().map(change).collect::<Result<_>>()?))
        })
        .collect::<Result<_>>()?;
    println!("Change of the level of a note, dB: the largest of each octave\n");
    println!("{}", markdown(&rows, |change| change.level_db));
    println!("Change of the level of its fundamental, dB: the largest of each octave\n");
    println!("{}", markdown(&rows, |change| change.fundamental_db));
    let Some(path) = &args.json else { return Ok(()) };
    super::write_json(path, &json!(rows.into_iter().collect::<std::collections::BTreeMap<_, _>>()))
}

/// The recordings of a folder.
fn recordings(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    walk(folder, &mut paths)?;
    if paths.is_empty() {
        return Err(Error::invalid("--styles", "a folder with recordings", folder.display()));
    }
    Ok(paths)
}

fn markdown(rows: &[(String, Vec<Change>)], value: impl Fn(&Change) -> f64) -> String {
    let names = (0..OCTAVES).map(|octave| match octave + 1 == OCTAVES {
        true => format!(" A{octave} to C8 |"),
        false => format!(" A{octave} |"),
    });
    let mut text = format!("| |{}\n|---|{}\n", names.collect::<String>(), "---|".repeat(8));
    for (name, changes) in rows {
        let cells: String =
            changes.iter().map(|change| format!(" {:.1} |", value(change))).collect();
        writeln!(text, "| {name} |{cells}").expect("a string");
    }
    text
}

/// Decaying notes of one octave, one after the other.
struct Phrase {
    keys: Vec<u8>,
    audio: Audio,
}

impl Phrase {
    fn new(octave: u8) -> Self {
        let key = |note: &u8| LOWEST_KEY + 12 * octave + note;
        let keys: Vec<u8> = NOTES.iter().map(key).filter(|key| *key <= HIGHEST_KEY).collect();
        let samples: Vec<f64> = keys.iter().flat_map(|key| note(*key)).collect();
        let power = samples.iter().map(|x| x * x).sum::<f64>() / samples.len() as f64;
        let gain = LEVEL / power.sqrt();
        let channel = samples.iter().map(|x| (x * gain) as f32).collect();
        Self { keys, audio: Audio { sample_rate_hz: RATE_HZ, channels: vec![channel] } }
    }

    /// The largest changes by the transfer to a style.
    fn change(
        &self,
        model: &InferenceModel<Packed>,
        style: &StyleTokens,
        settings: &Settings,
    ) -> Result<Change> {
        let wet = transfer(model, &self.audio, style.clone(), settings, LatencyMode::Quality)?;
        let [dry, wet] = [&self.audio, &wet].map(|a| a.channels[0].chunks_exact(note_samples()));
        let mut largest = Change::default();
        let farther = |a: f64, b: f64| if b.abs() > a.abs() { b } else { a };
        for ((key, dry), wet) in self.keys.iter().zip(dry).zip(wet) {
            let fundamental_db = |samples: &[f32]| partial_db(samples, hz(*key));
            largest.level_db = farther(largest.level_db, level_db(wet) - level_db(dry));
            largest.fundamental_db =
                farther(largest.fundamental_db, fundamental_db(wet) - fundamental_db(dry));
        }
        Ok(largest)
    }
}

fn note_samples() -> usize {
    (NOTE_SECONDS * f64::from(RATE_HZ)) as usize
}

fn hz(key: u8) -> f64 {
    440.0 * ((f64::from(key) - 69.0) / 12.0).exp2()
}

/// A note with up to 30 harmonic partials, which decay faster the higher they are.
fn note(key: u8) -> impl Iterator<Item = f64> {
    let partials = (20_000.0 / hz(key)).clamp(1.0, 30.0) as u32;
    (0..note_samples()).map(move |n| {
        let t = n as f64 / f64::from(RATE_HZ);
        let partial = |k: u32| {
            let k = f64::from(k);
            (TAU * hz(key) * k * t + k * k).sin() * k.powf(-1.2) * (-t * (1.0 + 0.3 * k)).exp()
        };
        let edges = (t / 0.004).min((NOTE_SECONDS - t) / 0.03).min(1.0);
        (1..=partials).map(partial).sum::<f64>() * edges
    })
}

fn level_db(samples: &[f32]) -> f64 {
    let power = samples.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
    10.0 * (power / samples.len() as f64 + 1e-30).log10()
}

/// The level of one frequency under a Hann window.
fn partial_db(samples: &[f32], hz: f64) -> f64 {
    let (mut re, mut im) = (0.0, 0.0);
    for (n, &x) in samples.iter().enumerate() {
        let hann = 0.5 - 0.5 * (TAU * n as f64 / samples.len() as f64).cos();
        let (sin, cos) = (TAU * hz * n as f64 / f64::from(RATE_HZ)).sin_cos();
        re += f64::from(x) * hann * cos;
        im += f64::from(x) * hann * sin;
    }
    20.0 * (re.hypot(im) / samples.len() as f64 + 1e-15).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_notes_are_those_of_a_piano() {
        let keys: Vec<u8> = (0..OCTAVES).flat_map(|octave| Phrase::new(octave).keys).collect();
        assert_eq!((keys[0], *keys.last().unwrap(), keys.len()), (21, 108, 30));
    }

    #[test]
    fn a_partial_is_measured_apart_from_its_neighbours() {
        let tone: Vec<f32> = (0..note_samples())
            .map(|n| {
                let t = TAU * n as f64 / f64::from(RATE_HZ);
                (0.5 * (440.0 * t).sin() + 0.005 * (880.0 * t).sin()) as f32
            })
            .collect();
        assert!((partial_db(&tone, 440.0) - partial_db(&tone, 880.0) - 40.0).abs() < 0.1);
    }
}
