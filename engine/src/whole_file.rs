//! Atomic file writes: to a hidden sibling file, which is then renamed.
//!
//! ```
//! let folder = tempfile::tempdir().unwrap();
//! let path = folder.path().join("table.csv");
//! engine::whole_file::write(&path, "a,b\n1,2\n")?;
//! assert_eq!(std::fs::read_to_string(&path).unwrap(), "a,b\n1,2\n");
//! # Ok::<(), engine::Error>(())
//! ```

use std::fs::{self, File, OpenOptions, Permissions};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// Symbolic links that are followed from a path to its file.
const LINKS_MAX: usize = 40;

/// Writes a file. Concurrent readers see either the old or the complete new content.
///
/// # Errors
/// If it cannot be written. The old content is then unchanged, and no temporary file is left.
pub fn write(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> Result<()> {
    let path = path.as_ref();
    if path.file_name().is_none() {
        return Err(Error::file(path, "expected the name of a file to write"));
    }
    let written = PartFile::create(path).and_then(|(part, mut file)| {
        io::Write::write_all(&mut file, bytes.as_ref())?;
        drop(file);
        part.publish()
    });
    written.map_err(|error| Error::file(path, format!("cannot be written: {error}")))
}

/// A hidden sibling that becomes the file when it is complete. Without [`Self::publish`], dropping
/// it removes it.
///
/// A symbolic link stays, and its target is replaced. The permissions of a replaced file stay.
#[derive(Debug)]
pub struct PartFile {
    part: PathBuf,
    target: PathBuf,
    permissions: Option<Permissions>,
}

impl PartFile {
    /// Creates the sibling, which no other process has.
    ///
    /// # Errors
    /// The system's error, or if the file exists and is write-protected.
    pub fn create(path: &Path) -> io::Result<(Self, File)> {
        let target = link_target(path)?;
        let permissions = fs::metadata(&target).ok().map(|found| found.permissions());
        if permissions.as_ref().is_some_and(Permissions::readonly) {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is write-protected"));
        }
        loop {
            // Short, because the name of the file itself may have the maximum length. A sibling is
            // on the same file system, so that the rename is atomic.
            let number = RandomState::new().hash_one(&target);
            let part = target.with_file_name(format!(".{number:016x}.part"));
            match OpenOptions::new().write(true).read(true).create_new(true).open(&part) {
                Ok(file) => return Ok((Self { part, target, permissions }, file)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Renames the sibling, which is completely written and closed, after its data has reached the
    /// disk.
    ///
    /// # Errors
    /// The system's error; the old file is then unchanged.
    pub fn publish(self) -> io::Result<()> {
        // Opened for writing, because Windows syncs only writable handles.
        OpenOptions::new().write(true).open(&self.part)?.sync_all()?;
        if let Some(permissions) = &self.permissions {
            fs::set_permissions(&self.part, permissions.clone())?;
        }
        fs::rename(&self.part, &self.target)
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        // Already renamed after a success. Otherwise there is no way to report a failed removal.
        let _ = fs::remove_file(&self.part);
    }
}

/// The path that symbolic links lead to; it need not exist.
fn link_target(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_path_buf();
    for _ in 0..LINKS_MAX {
        if !fs::symlink_metadata(&path).is_ok_and(|found| found.is_symlink()) {
            return Ok(path);
        }
        let target = fs::read_link(&path)?;
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    Err(io::Error::other("too many symbolic links"))
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

    #[test]
    fn the_longest_name_is_written_and_parts_are_exclusive() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("n".repeat(255));
        let (first, _) = PartFile::create(&path).expect("created");
        let (second, _) = PartFile::create(&path).expect("created");
        assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 2);
        second.publish().expect("renamed");
        drop(first);
        assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn links_modes_and_write_protection_are_respected() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        write(at("file"), "old").expect("written");
        fs::set_permissions(at("file"), Permissions::from_mode(0o640)).expect("set");
        symlink("file", at("link")).expect("linked");
        write(at("link"), "new").expect("written");
        assert!(fs::symlink_metadata(at("link")).expect("found").is_symlink());
        assert_eq!(fs::read_to_string(at("file")).expect("text"), "new");
        let mode = fs::metadata(at("file")).expect("found").permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        // A link to a file that does not exist yet.
        symlink(at("later"), at("dangling")).expect("linked");
        write(at("dangling"), "now").expect("written");
        assert_eq!(fs::read_to_string(at("later")).expect("text"), "now");
        fs::set_permissions(at("file"), Permissions::from_mode(0o444)).expect("set");
        let refused = write(at("link"), "never").expect_err("refused").to_string();
        assert!(refused.contains("write-protected"), "{refused}");
        assert_eq!(fs::read_to_string(at("file")).expect("text"), "new");
        symlink("loop", at("loop")).expect("linked");
        assert!(write(at("loop"), "x").is_err());
    }
}
