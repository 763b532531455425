//! A file's bytes, as many as may be: what a name from outside leads to may be a pipe, a device, or
//! longer than memory.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// What a name led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// All of the file.
    Whole(Vec<u8>),
    /// A file of more bytes than may be.
    Longer(u64),
    /// A folder, a pipe or a device.
    NoFile,
}

/// Reads a file of `max_bytes` at most.
///
/// # Errors
/// The system's, where there is nothing of that name or it cannot be read.
pub fn read(path: &Path, max_bytes: u64) -> io::Result<Found> {
    // Asked before opening: opening a pipe would wait for its writer.
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Ok(Found::NoFile);
    }
    if metadata.len() > max_bytes {
        return Ok(Found::Longer(metadata.len()));
    }
    let mut bytes = Vec::new();
    // The bound again, for a file that grows meanwhile.
    let len = File::open(path)?.take(max_bytes + 1).read_to_end(&mut bytes)? as u64;
    Ok(if len > max_bytes { Found::Longer(len) } else { Found::Whole(bytes) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_files_bytes_are_read_and_not_too_many() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a");
        fs::write(&path, "four").expect("written");
        assert_eq!(read(&path, 4).expect("read"), Found::Whole(b"four".to_vec()));
        assert_eq!(read(&path, 3).expect("read"), Found::Longer(4));
        assert_eq!(read(folder.path(), 4).expect("read"), Found::NoFile);
        assert!(read(&folder.path().join("b"), 4).is_err());
    }
}
