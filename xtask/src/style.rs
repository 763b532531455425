//! Resolves `--style`: a shipped style, a recording or a saved style.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use engine::audio_file::Reader;
use engine::style::{SavedStyle, file};

use crate::model::FileModel;
use crate::workspace;

/// Names of the shipped styles, sorted.
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

/// Path of a style: the recording of a shipped style, or a user's file.
///
/// # Errors
/// If it is neither. The error lists the shipped styles.
pub fn path(style: impl AsRef<OsStr>) -> Result<PathBuf> {
    let style = style.as_ref();
    let names = names();
    if let Some(name) = names.iter().find(|&name| style == name.as_str()) {
        return Ok(workspace::presets("styles").join(format!("{name}.flac")));
    }
    let path = Path::new(style);
    // The reader checks everything that looks like a file name.
    if path.is_file() || path.extension().is_some() || path.components().count() > 1 {
        return Ok(path.to_path_buf());
    }
    bail!(
        "style: expected {}, an audio file or a saved style (.luthier), found `{}`",
        list(&names),
        style.display()
    )
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        "a shipped style (presets/styles has none)".into()
    } else {
        names.join(", ")
    }
}

/// The source of a style, before a model computes its tokens.
pub enum Reference {
    /// The windows of a recording from which the style is computed.
    Recording(engine::reference::Reference),
    /// A style that the plugin or `cargo xtask style` saved.
    Saved(SavedStyle),
}

impl Reference {
    /// Reads the file. Prints the part of a recording that is used, unless it is the beginning.
    ///
    /// # Errors
    /// If the file cannot be read, or a recording is silent or only noise.
    pub fn read(path: &Path) -> Result<Self> {
        if file::is_style(path) {
            return Ok(Self::Saved(file::read(path)?));
        }
        let name = path.display().to_string();
        let reference = engine::reference::read(|| Reader::open(path), &name)?;
        if !reference.is_beginning {
            println!("style from {} of {name}", reference.ranges_text());
        }
        Ok(Self::Recording(reference))
    }

    /// Computes the style with a model. `path` is its source.
    ///
    /// # Errors
    /// If the model cannot use the saved style.
    pub fn style(&self, file_model: &FileModel, path: &Path) -> Result<SavedStyle> {
        let style = match self {
            Self::Recording(recording) => file_model.saved_style(path, recording),
            Self::Saved(style) => file_model.reencode(style),
        };
        style.with_context(|| path.display().to_string())
    }
}
