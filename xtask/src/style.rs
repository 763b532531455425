//! Which recording a `--style` means, and the style in it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use engine::audio_file::{Audio, Reader};
use engine::playable::REFERENCE_SECONDS_MAX;

use crate::workspace;

/// Seconds of a recording that may be silent before its style begins.
const LEAD_SECONDS: f64 = 60.0;

/// The names of the styles that are shipped.
pub fn names() -> Vec<String> {
    let entries = std::fs::read_dir(workspace::presets("styles")).into_iter().flatten().flatten();
    let name = |path: PathBuf| {
        let flac = path.extension().is_some_and(|e| e == "flac");
        flac.then(|| path.file_stem().map(|stem| stem.to_string_lossy().into_owned())).flatten()
    };
    let mut names: Vec<String> = entries.filter_map(|entry| name(entry.path())).collect();
    names.sort();
    names
}

/// The recording that a style stands for: that of a shipped name, or a file of the user's.
///
/// # Errors
/// One sentence that lists the names when it is neither.
pub fn recording(style: &str) -> Result<PathBuf> {
    let names = names();
    if names.iter().any(|name| name == style) {
        return Ok(workspace::presets("styles").join(format!("{style}.flac")));
    }
    let path = Path::new(style);
    // What looks like a file's name is the reader's to judge.
    if path.is_file() || path.extension().is_some() || path.components().count() > 1 {
        return Ok(path.to_path_buf());
    }
    bail!("style: expected {} or an audio file, found `{style}`", list(&names))
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        "a shipped style (there is none in presets/styles)".into()
    } else {
        names.join(", ")
    }
}

/// The beginning of a recording, as much as a style is read from.
///
/// # Errors
/// As reading the file, or if what was read is silent.
pub fn reference(path: &Path) -> Result<Audio> {
    let mut reader = Reader::open(path)?;
    let sample_rate_hz = reader.sample_rate_hz();
    let mut audio = Audio { sample_rate_hz, channels: vec![Vec::new(); reader.channels()] };
    let mut sounding_from = None;
    while let Some(block) = reader.read()? {
        if sounding_from.is_none() && block.iter().flatten().any(|x| x.abs() > 1e-3) {
            sounding_from = Some(audio.seconds());
        }
        audio
            .channels
            .iter_mut()
            .zip(block)
            .for_each(|(channel, samples)| channel.extend_from_slice(samples));
        let enough = sounding_from.map_or(LEAD_SECONDS, |start| start + REFERENCE_SECONDS_MAX + 1.0);
        if audio.seconds() > enough {
            break;
        }
    }
    sounding_from
        .with_context(|| format!("{}: expected a style that sounds, found silence", path.display()))?;
    Ok(audio)
}
