//! Style files, with which users share styles between projects and computers.
//!
//! ```
//! use std::path::Path;
//!
//! use engine::style::file::is_style;
//!
//! assert!(is_style(Path::new("Warm cello.luthier")));
//! assert!(!is_style(Path::new("cello.flac")));
//! ```

use std::path::Path;
use std::{fs, io};

use serde::{Deserialize, Serialize};

use super::{SavedStyle, WrittenStyle};
use crate::regular_file::{self, Content};
use crate::{Error, Result, whole_file};

/// Extension of style files.
pub const EXTENSION: &str = "luthier";
/// The version that this build writes, and the newest that it reads.
const VERSION: u32 = 1;
/// Largest file that is read. Written files have a few hundred kilobytes.
const MAX_BYTES: u64 = 16 << 20;

/// The content of a file.
#[derive(Serialize, Deserialize)]
struct Written {
    luthier_style: u32,
    style: WrittenStyle,
}

/// Parsed before the rest, which may have another format in other versions.
#[derive(Deserialize)]
struct Outline {
    luthier_style: u32,
}

/// Whether a path has the extension of style files.
pub fn is_style(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(EXTENSION))
}

/// Writes a style atomically, named after the file. Creates missing folders.
///
/// # Errors
/// If the file cannot be written.
pub fn write(style: &SavedStyle, path: &Path) -> Result<()> {
    let named = SavedStyle { name: name(path), path: path.to_path_buf(), ..style.clone() };
    let text = serde_json::to_string(&Written { luthier_style: VERSION, style: named.write() });
    let text = text.map_err(|error| Error::file(path, error))?;
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    made.map_err(|error| Error::file(path, format!("cannot be written: {error}")))?;
    whole_file::write(path, text)
}

/// Reads a style, named after the file.
///
/// # Errors
/// If the file cannot be read, has a newer version or is no style.
pub fn read(path: &Path) -> Result<SavedStyle> {
    let text =
        text(path).map_err(|error| Error::file(path, format!("cannot be read ({error})")))?;
    let no_style =
        |_| Error::file(path, "expected a style file saved by Luthier, found another format");
    let Outline { luthier_style: version } = serde_json::from_str(&text).map_err(no_style)?;
    if version > VERSION {
        let reason =
            format!("expected version {VERSION} or older, found {version}: update Luthier");
        return Err(Error::file(path, reason));
    }
    let Written { style, .. } = serde_json::from_str(&text).map_err(no_style)?;
    let damaged = || Error::file(path, "expected a complete style, found damaged data");
    let style = SavedStyle::read(style).ok_or_else(damaged)?;
    Ok(SavedStyle { name: name(path), path: path.to_path_buf(), ..style })
}

fn text(path: &Path) -> io::Result<String> {
    match regular_file::read(path, MAX_BYTES)? {
        Content::Bytes(bytes) => io::read_to_string(&bytes[..]),
        Content::TooLarge(len) => {
            Err(io::Error::other(format!("expected at most {MAX_BYTES} bytes, found {len}")))
        }
        Content::NotAFile => Err(io::Error::other("expected a file, found a folder or a device")),
    }
}

fn name(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use super::super::StyleTokens;
    use super::*;

    fn style() -> SavedStyle {
        let tokens = StyleTokens {
            model: "abc".into(),
            dim: 1,
            tokens: vec![0.5, -0.25],
            ..StyleTokens::default()
        };
        SavedStyle {
            name: "Sidechain".into(),
            path: PathBuf::new(),
            tokens: Arc::new(tokens),
            mels: Arc::default(),
        }
    }

    #[test]
    fn a_style_file_can_be_moved_and_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("new").join("Warm cello.luthier");
        write(&style(), &path).expect("written");
        let read = read(&path).expect("read");
        assert_eq!((read.name.as_str(), &read.path), ("Warm cello", &path));
        assert_eq!(read.tokens, style().tokens);
        assert_eq!(fs::read_dir(path.parent().expect("a folder")).expect("listed").count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_device_with_a_style_extension_is_rejected_unread() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("Warm cello.luthier");
        std::os::unix::fs::symlink("/dev/zero", &path).expect("a link");
        let sentence = read(&path).expect_err("refused").to_string();
        assert!(sentence.contains("device"), "{sentence}");
    }

    #[test]
    fn other_files_are_rejected_with_a_reason() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.luthier");
        write(&style(), &path).expect("written");
        let whole = fs::read_to_string(&path).expect("text");
        let damages = [
            (String::new(), "found another format"),
            (whole[..whole.len() / 2].into(), "found another format"),
            (whole.replace(r#""luthier_style":1"#, r#""luthier_style":2"#), "update Luthier"),
            (whole.replace(r#""dim":1"#, r#""dim":0"#), "damaged"),
        ];
        for (text, reason) in damages {
            fs::write(&path, text).expect("written");
            let error = read(&path).expect_err("refused").to_string();
            assert!(error.contains(reason) && error.contains("a.luthier"), "{error}");
        }
        let missing = read(&folder.path().join("none.luthier")).expect_err("refused").to_string();
        assert!(missing.contains("cannot be read"), "{missing}");
        let refused =
            write(&style(), Path::new("/dev/null/a.luthier")).expect_err("refused").to_string();
        assert!(refused.contains("written"), "{refused}");
    }
}
