//! Atomic file writes: to a hidden sibling file, which is then renamed.
//!
//! ```
//! let folder = tempfile::tempdir().unwrap();
//! let path = folder.path().join("table.csv");
//! engine::whole_file::write(&path, "a,b\n1,2\n")?;
//! assert_eq!(std::fs::read_to_string(&path).unwrap(), "a,b\n1,2\n");
//! # Ok::<(), engine::Error>(())
//! ```

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Error, Result};

/// Writes a file. Concurrent readers see either the old or the complete new content.
///
/// # Errors
/// If it cannot be written. The old content is then unchanged, and no temporary file is left.
pub fn write(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> Result<()> {
    let path = path.as_ref();
    if path.file_name().is_none() {
        return Err(Error::file(path, "expected the name of a file to write"));
    }
    let part = part_path(path);
    let written = fs::write(&part, bytes).and_then(|()| publish(&part, path));
    written.map_err(|error| {
        // The removal may fail if the file was never created; the first error is the relevant one.
        let _ = fs::remove_file(&part);
        Error::file(path, format!("cannot be written: {error}"))
    })
}

/// Renames a completely written sibling to `path`, after its data has reached the disk.
///
/// # Errors
/// The system's error; both files are then unchanged.
pub fn publish(part: &Path, path: &Path) -> io::Result<()> {
    // Opened for writing, because Windows syncs only writable handles.
    OpenOptions::new().write(true).open(part)?.sync_all()?;
    fs::rename(part, path)
}

/// A unique path of a hidden sibling. A sibling is on the same file system, so that the rename is
/// atomic.
pub fn part_path(path: &Path) -> PathBuf {
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
