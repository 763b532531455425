//! Which recording a `--style` means, and the style in it.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use engine::audio_file::{Audio, Reader};

use crate::workspace;

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
    Ok(engine::reference::read(Reader::open(path)?, &path.display().to_string())?)
}
