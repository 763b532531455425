//! A style on disk, that a user keeps for other projects or gives to somebody else.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::{Deserialize, Serialize};

use crate::kept_style::{KeptStyle, WrittenStyle};

/// What such files are called after the dot.
pub const EXTENSION: &str = "luthier";
/// The version of the format that this build writes, and the newest that it reads.
const VERSION: u32 = 1;
/// Longest file that is read; one of ours has a few hundred kilobytes.
const MAX_BYTES: u64 = 16 << 20;

/// A file's content.
#[derive(Serialize, Deserialize)]
struct Written {
    luthier_style: u32,
    style: WrittenStyle,
}

/// What is read before the rest, which another version may have changed.
#[derive(Deserialize)]
struct Outline {
    luthier_style: u32,
}

/// Whether a file is called like a style and not like a recording.
pub fn is_style(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(EXTENSION))
}

/// Where the user's styles are kept, for example `~/.local/share/Luthier/Styles`.
pub fn folder() -> PathBuf {
    let data = dirs::data_dir().or_else(dirs::home_dir).unwrap_or_else(std::env::temp_dir);
    data.join("Luthier").join("Styles")
}

/// Writes a style under the file's name, wholly or not at all. Makes the folder where it is missing.
///
/// # Errors
/// One sentence if it cannot be written.
pub fn write(style: &KeptStyle, path: &Path) -> Result<(), String> {
    let named = KeptStyle { name: name(path), path: path.to_path_buf(), ..style.clone() };
    let text = serde_json::to_string(&Written { luthier_style: VERSION, style: named.write() });
    let written = text.map_err(io::Error::other).and_then(|text| {
        let part = path.with_extension("part");
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(&part, text).and_then(|()| fs::rename(&part, path)).inspect_err(|_| {
            let _ = fs::remove_file(&part);
        })
    });
    written.map_err(|error| format!("{}: cannot be written ({error})", path.display()))
}

/// Reads a style.
///
/// # Errors
/// One sentence if the file cannot be read or is no style.
pub fn read(path: &Path) -> Result<KeptStyle, String> {
    let wrong = |reason: String| format!("{}: {reason}", path.display());
    let text = text(path).map_err(|error| wrong(format!("cannot be read ({error})")))?;
    let no_style = |_| wrong("expected a style saved by Luthier, found something else".into());
    let Outline { luthier_style: version } = serde_json::from_str(&text).map_err(no_style)?;
    if version > VERSION {
        return Err(wrong(format!("expected version {VERSION} at most, found {version}: update Luthier")));
    }
    let Written { style, .. } = serde_json::from_str(&text).map_err(no_style)?;
    let style =
        KeptStyle::read(style).ok_or_else(|| wrong("expected a whole style, found a damaged one".into()))?;
    Ok(KeptStyle { name: name(path), path: path.to_path_buf(), ..style })
}

fn text(path: &Path) -> io::Result<String> {
    let len = fs::metadata(path)?.len();
    if len > MAX_BYTES {
        return Err(io::Error::other(format!("expected {MAX_BYTES} bytes at most, found {len}")));
    }
    fs::read_to_string(path)
}

fn name(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use engine::style::StyleTokens;

    use super::*;

    fn style() -> KeptStyle {
        let tokens =
            StyleTokens { model: "abc".into(), dim: 1, tokens: vec![0.5, -0.25], ..StyleTokens::default() };
        KeptStyle {
            name: "Sidechain".into(),
            path: PathBuf::new(),
            tokens: Arc::new(tokens),
            heard: Arc::default(),
        }
    }

    #[test]
    fn a_style_is_given_to_somebody_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("new").join("Warm cello.luthier");
        write(&style(), &path).expect("written");
        let read = read(&path).expect("read");
        assert_eq!((read.name.as_str(), &read.path), ("Warm cello", &path));
        assert_eq!(read.tokens, style().tokens);
        assert_eq!(fs::read_dir(path.parent().expect("a folder")).expect("listed").count(), 1);
    }

    #[test]
    fn what_is_no_style_is_refused_with_a_reason() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.luthier");
        write(&style(), &path).expect("written");
        let whole = fs::read_to_string(&path).expect("text");
        let damages = [
            (String::new(), "something else"),
            (whole[..whole.len() / 2].into(), "something else"),
            (whole.replace(r#""luthier_style":1"#, r#""luthier_style":2"#), "update Luthier"),
            (whole.replace(r#""dim":1"#, r#""dim":0"#), "damaged"),
        ];
        for (text, reason) in damages {
            fs::write(&path, text).expect("written");
            let error = read(&path).expect_err("refused");
            assert!(error.contains(reason) && error.contains("a.luthier"), "{error}");
        }
        assert!(read(&folder.path().join("none.luthier")).expect_err("refused").contains("cannot be read"));
        assert!(write(&style(), Path::new("/dev/null/a.luthier")).expect_err("refused").contains("written"));
    }
}
