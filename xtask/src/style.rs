//! What a `--style` means: a recording, or a style that was saved.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use engine::audio_file::{Audio, Reader};
use engine::style::{SavedStyle, file};

use crate::model::FileModel;
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

/// The file that a style stands for: the recording of a shipped name, or a file of the user's.
///
/// # Errors
/// One sentence that lists the names when it is neither.
pub fn path(style: &str) -> Result<PathBuf> {
    let names = names();
    if names.iter().any(|name| name == style) {
        return Ok(workspace::presets("styles").join(format!("{style}.flac")));
    }
    let path = Path::new(style);
    // What looks like a file's name is the reader's to judge.
    if path.is_file() || path.extension().is_some() || path.components().count() > 1 {
        return Ok(path.to_path_buf());
    }
    bail!(
        "style: expected {}, an audio file or a saved style (.luthier), found `{style}`",
        list(&names)
    )
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        "a shipped style (there is none in presets/styles)".into()
    } else {
        names.join(", ")
    }
}

/// What a style is read from, before there is a model to read it.
pub enum Reference {
    /// As much of a recording as a style is read from.
    Recording(Audio),
    /// A style that the plugin or `cargo xtask style` saved.
    Saved(SavedStyle),
}

impl Reference {
    /// Reads the file.
    ///
    /// # Errors
    /// As reading the file, or if a recording is silent.
    pub fn read(path: &Path) -> Result<Self> {
        if file::is_style(path) {
            return Ok(Self::Saved(file::read(path)?));
        }
        let reader = Reader::open(path)?;
        Ok(Self::Recording(engine::reference::read(reader, &path.display().to_string())?))
    }

    /// The style as the file_model's model hears it; `path` is where it came from.
    ///
    /// # Errors
    /// If the model hears nothing in it, or cannot read what another model saved.
    pub fn style(&self, file_model: &FileModel, path: &Path) -> Result<SavedStyle> {
        let style = match self {
            Self::Recording(recording) => file_model.keep(path, recording),
            Self::Saved(style) => file_model.reencode(style),
        };
        style.with_context(|| path.display().to_string())
    }
}
