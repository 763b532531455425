//! Hash of a file's content.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use engine::{Error, Result};
use sha2::{Digest, Sha256};

/// SHA-256 of a file, as 64 hexadecimal digits.
///
/// # Errors
/// If the file cannot be read.
pub fn sha256(path: &Path) -> Result<String> {
    let mut file = File::open(path).map_err(|e| Error::file(path, e))?;
    let mut hash = Sha256::new();
    let mut block = vec![0; 1 << 20];
    loop {
        match file.read(&mut block).map_err(|e| Error::file(path, e))? {
            0 => return Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect()),
            n => hash.update(&block[..n]),
        }
    }
}
