//! Files that appear whole or not at all: written to a hidden sibling, then renamed.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Error, Result};

/// Writes a file; who reads meanwhile sees the old one or the whole new one.
///
/// # Errors
/// If it cannot be written; then what was there before is still there, and nothing else.
pub fn write(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> Result<()> {
    let path = path.as_ref();
    if path.file_name().is_none() {
        return Err(Error::file(path, "expected the name of a file to write"));
    }
    let part = part_of(path);
    let written = fs::write(&part, bytes).and_then(|()| publish(&part, path));
    written.map_err(|error| {
        // Nothing of ours may stay behind; that it may not even have been begun is no further news.
        let _ = fs::remove_file(&part);
        Error::file(path, format!("cannot be written: {error}"))
    })
}

/// Gives a sibling that is written to its end the file's name, once it is on the disk: what had the
/// name is lost only then.
///
/// # Errors
/// The system's; then both are as they were.
pub fn publish(part: &Path, path: &Path) -> io::Result<()> {
    // Writable: Windows syncs nothing else.
    OpenOptions::new().write(true).open(part)?.sync_all()?;
    fs::rename(part, path)
}

/// A hidden sibling (the same file system, so that the rename is atomic) that nobody else writes at
/// the same time.
pub fn part_of(path: &Path) -> PathBuf {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    path.with_file_name(format!(".{name}.{}-{number}.part", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_a_failure_leaves_everything_as_it_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.json");
        write(&path, "one").expect("written");
        write(&path, "two").expect("written again");
        assert_eq!(fs::read_to_string(&path).expect("text"), "two");
        // A folder of that name cannot be replaced by a file.
        let taken = folder.path().join("taken");
        fs::create_dir_all(taken.join("inside")).expect("a folder");
        let refused = write(&taken, "three").expect_err("refused").to_string();
        assert!(refused.contains("taken") && refused.contains("cannot be written"), "{refused}");
        assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 2);
        assert!(write("/", "four").is_err());
    }
}
