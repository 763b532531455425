//! Which files of a folder tree are recordings, and of what.

use std::collections::BTreeMap;
use std::fs::DirEntry;
use std::path::{Path, PathBuf};

use engine::{Error, Result};

use super::description::Skipped;

/// Endings of the files that are read; others are none of our business.
const ENDINGS: [&str; 4] = ["mp3", "wav", "flac", "ogg"];

/// One recording's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Where it is.
    pub path: PathBuf,
    /// The same below the folder that was searched, with `/` between its parts.
    pub file: String,
    /// The name of the folder that it lies in.
    pub instrument: String,
    /// The file's name without its ending: unique among the instrument's recordings.
    pub name: String,
    /// Length of the file.
    pub bytes: u64,
}

/// What was found in a folder tree.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// Recordings, sorted by [`Source::file`].
    pub sources: Vec<Source>,
    /// Audio files that cannot be told apart or labelled.
    pub skipped: Vec<Skipped>,
}

/// All audio files below a folder; the folder that holds a file names its instrument. Names that
/// begin with a dot are passed over.
///
/// # Errors
/// If a folder cannot be read, if there is no audio file, or if two recordings of an instrument
/// have one name.
pub fn find(folder: &Path) -> Result<Found> {
    let mut files = Vec::new();
    walk(folder, &mut files)?;
    let mut found = Found::default();
    for path in files {
        let file = shown(folder, &path);
        match source(folder, &path, &file)? {
            Ok(source) => found.sources.push(source),
            Err(reason) => found.skipped.push(Skipped { file, reason }),
        }
    }
    found.sources.sort_by(|a, b| a.file.cmp(&b.file));
    if found.sources.is_empty() {
        let expected = "expected folders named after instruments with MP3, WAV, FLAC or OGG files";
        return Err(Error::file(folder, format!("{expected}, found none")));
    }
    let mut by_name: BTreeMap<(&str, &str), &Source> = BTreeMap::new();
    for source in &found.sources {
        if let Some(other) = by_name.insert((&source.instrument, &source.name), source) {
            let reason = format!(
                "expected a name of its own among the recordings of {}, found {} as well; rename one of them",
                source.instrument, other.file
            );
            return Err(Error::file(&source.path, reason));
        }
    }
    Ok(found)
}

/// Collects the audio files of a folder and of those below it; links to folders are not followed.
fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let refuse = |e: std::io::Error| {
        Error::file(folder, format!("expected a folder of recordings, found: {e}"))
    };
    let mut entries = std::fs::read_dir(folder)
        .and_then(|d| d.collect::<std::io::Result<Vec<DirEntry>>>())
        .map_err(refuse)?;
    entries.sort_by_key(DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if entry.file_type().map_err(refuse)?.is_dir() {
            walk(&path, files)?;
        } else if path.is_file() && is_audio(&path) {
            files.push(path);
        }
    }
    Ok(())
}

fn is_audio(path: &Path) -> bool {
    let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    ending.is_some_and(|e| ENDINGS.contains(&e.as_str()))
}

/// The path below the folder, for people and for the description.
fn shown(folder: &Path, path: &Path) -> String {
    let parts = path.strip_prefix(folder).unwrap_or(path).components();
    parts.map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// A file as a recording, or the reason why it is none.
fn source(folder: &Path, path: &Path, file: &str) -> Result<std::result::Result<Source, String>> {
    if path.parent() == Some(folder) {
        return Ok(Err(
            "expected a file in a folder that is named after its instrument, found it above".into(),
        ));
    }
    let text = |part: Option<&std::ffi::OsStr>| part.and_then(|p| p.to_str()).map(str::to_owned);
    let names = (text(path.parent().and_then(Path::file_name)), text(path.file_stem()));
    let (Some(instrument), Some(name)) = names else {
        return Ok(Err("expected a name in UTF-8".into()));
    };
    let bytes = std::fs::metadata(path).map_err(|e| Error::file(path, e))?.len();
    Ok(Ok(Source { path: path.to_path_buf(), file: file.into(), instrument, name, bytes }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        folder
    }

    #[test]
    fn the_folder_of_a_file_is_its_instrument() {
        let folder = tree(&[
            "violin/b.mp3",
            "violin/a.FLAC",
            "old/harp/c.d.ogg",
            "violin/cover.png",
            ".part/x/y.mp3",
        ]);
        let found = find(folder.path()).unwrap();
        let names: Vec<_> =
            found.sources.iter().map(|s| (s.instrument.as_str(), s.name.as_str())).collect();
        assert_eq!(names, [("harp", "c.d"), ("violin", "a"), ("violin", "b")]);
        assert_eq!(found.sources[0].file, "old/harp/c.d.ogg");
        assert!(found.skipped.is_empty());
    }

    #[test]
    fn files_without_an_instrument_or_a_name_of_their_own_are_named() {
        let found = find(tree(&["stray.wav", "violin/a.wav"]).path()).unwrap();
        assert_eq!((found.sources.len(), found.skipped[0].file.as_str()), (1, "stray.wav"));
        let twice =
            find(tree(&["violin/a.wav", "more/violin/a.mp3"]).path()).unwrap_err().to_string();
        assert!(twice.contains("violin/a.wav") && twice.contains("more/violin/a.mp3"), "{twice}");
        let empty = find(tree(&["violin/readme.txt"]).path()).unwrap_err().to_string();
        assert!(empty.contains("found none"), "{empty}");
        assert!(
            find(Path::new("no/such/folder")).unwrap_err().to_string().contains("no/such/folder")
        );
    }
}
