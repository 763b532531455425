//! Reads a file up to a maximum size. An untrusted path may name a pipe, a device, or a file larger
//! than memory.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A file, completely read.
    Bytes(Vec<u8>),
    /// A file above the maximum size, with its size in bytes.
    TooLarge(u64),
    /// A folder, a pipe or a device.
    NotAFile,
}

/// Reads a file of at most `max_bytes` bytes.
///
/// # Errors
/// The system's error, if the path does not exist or cannot be read.
pub fn read(path: &Path, max_bytes: u64) -> io::Result<Content> {
    // Checked before opening, because opening a pipe blocks until a process writes to it.
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Ok(Content::NotAFile);
    }
    if metadata.len() > max_bytes {
        return Ok(Content::TooLarge(metadata.len()));
    }
    let mut bytes = Vec::new();
    // Bounded again, because the file may grow in the meantime.
    let len = File::open(path)?.take(max_bytes + 1).read_to_end(&mut bytes)? as u64;
    Ok(if len > max_bytes { Content::TooLarge(len) } else { Content::Bytes(bytes) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_within_the_bound_are_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a");
        fs::write(&path, "four").expect("written");
        assert_eq!(read(&path, 4).expect("read"), Content::Bytes(b"four".to_vec()));
        assert_eq!(read(&path, 3).expect("read"), Content::TooLarge(4));
        assert_eq!(read(folder.path(), 4).expect("read"), Content::NotAFile);
        assert!(read(&folder.path().join("b"), 4).is_err());
    }
}
