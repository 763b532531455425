//! Finds audio files in a folder tree. The folder of a file names its instrument.

use std::collections::BTreeMap;
use std::fs::DirEntry;
use std::path::{Path, PathBuf};

use engine::audio_file::EXTENSIONS;
use engine::{Error, Result};
use serde::{Deserialize, Serialize};

/// One audio file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Its path.
    pub path: PathBuf,
    /// Its path relative to the searched folder, with `/` between its parts.
    pub file: String,
    /// Name of its folder.
    pub instrument: String,
    /// Its name without the ending, unique for the instrument.
    pub name: String,
    /// Its size.
    pub bytes: u64,
}

/// An audio file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SkippedFile {
    /// Its path relative to the searched folder.
    pub file: String,
    /// Why it cannot be used.
    pub reason: String,
}

/// The audio files of a folder tree.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceFiles {
    /// Usable files, sorted by [`SourceFile::file`].
    pub files: Vec<SourceFile>,
    /// Files without an instrument or with a name that is not UTF-8.
    pub skipped: Vec<SkippedFile>,
}

/// Finds all audio files below a folder. Names that begin with a dot are ignored.
///
/// # Errors
/// If a folder cannot be read, there is no audio file, or two files of an instrument have the
/// same name.
pub fn find(folder: &Path) -> Result<SourceFiles> {
    let mut paths = Vec::new();
    walk(folder, &mut paths)?;
    let mut found = SourceFiles::default();
    for path in paths {
        let file = relative_name(folder, &path);
        match source_file(folder, &path, &file)? {
            Ok(source) => found.files.push(source),
            Err(reason) => found.skipped.push(SkippedFile { file, reason }),
        }
    }
    found.files.sort_by(|a, b| a.file.cmp(&b.file));
    if found.files.is_empty() {
        let expected = "expected folders named after instruments with audio files";
        return Err(Error::file(folder, format!("{expected}, found none")));
    }
    let mut by_name: BTreeMap<(&str, &str), &SourceFile> = BTreeMap::new();
    for source in &found.files {
        if let Some(other) = by_name.insert((&source.instrument, &source.name), source) {
            let reason = format!(
                "expected a unique name among the recordings of {}, found {} as well; rename one \
                 of them",
                source.instrument, other.file
            );
            return Err(Error::file(&source.path, reason));
        }
    }
    Ok(found)
}

/// Collects the audio files of a folder and its subfolders, sorted by name. Links to folders are not
/// followed.
///
/// # Errors
/// If a folder cannot be read.
pub fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
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
    ending.is_some_and(|e| EXTENSIONS.contains(&e.as_str()))
}

/// A path relative to a folder, with `/` between its parts.
fn relative_name(folder: &Path, path: &Path) -> String {
    let parts = path.strip_prefix(folder).unwrap_or(path).components();
    parts.map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// A usable file, or the reason why it cannot be used.
fn source_file(
    folder: &Path,
    path: &Path,
    file: &str,
) -> Result<std::result::Result<SourceFile, String>> {
    if path.parent() == Some(folder) {
        return Ok(Err(
            "expected a file in a folder named after its instrument, found it above".into()
        ));
    }
    let text = |part: Option<&std::ffi::OsStr>| part.and_then(|p| p.to_str()).map(str::to_owned);
    let names = (text(path.parent().and_then(Path::file_name)), text(path.file_stem()));
    let (Some(instrument), Some(name)) = names else {
        return Ok(Err("expected a name in UTF-8".into()));
    };
    let bytes = std::fs::metadata(path).map_err(|e| Error::file(path, e))?.len();
    Ok(Ok(SourceFile { path: path.to_path_buf(), file: file.into(), instrument, name, bytes }))
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
            found.files.iter().map(|s| (s.instrument.as_str(), s.name.as_str())).collect();
        assert_eq!(names, [("harp", "c.d"), ("violin", "a"), ("violin", "b")]);
        assert_eq!(found.files[0].file, "old/harp/c.d.ogg");
        assert!(found.skipped.is_empty());
    }

    #[test]
    fn files_without_an_instrument_or_a_name_of_their_own_are_named() {
        let found = find(tree(&["stray.wav", "violin/a.wav"]).path()).unwrap();
        assert_eq!((found.files.len(), found.skipped[0].file.as_str()), (1, "stray.wav"));
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
