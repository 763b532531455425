//! A sidechain recording.

use std::path::Path;

use anyhow::{Result, ensure};
use engine::audio_file::Reader;

/// Reads a file in blocks of any length, with the number of channels of the main signal.
pub struct Sidechain {
    reader: Reader,
    channels: usize,
    /// Samples of each channel that were read but not returned.
    pending: Vec<Vec<f32>>,
}

impl Sidechain {
    /// Opens a file as the sidechain of `main`.
    ///
    /// # Errors
    /// If it cannot be read or has another sample rate.
    pub fn open(path: &Path, main: &Reader) -> Result<Self> {
        let reader = Reader::open(path)?;
        let (expected, found) = (main.sample_rate_hz(), reader.sample_rate_hz());
        ensure!(
            expected == found,
            "{}: expected the input's sample rate of {expected} Hz, found {found} Hz",
            path.display()
        );
        let channels = main.channels();
        Ok(Self { reader, channels, pending: vec![Vec::new(); channels] })
    }

    /// What was wrong in the part of the file that was read.
    pub fn warnings(&self) -> Vec<String> {
        self.reader.warnings()
    }

    /// The next `len` samples of every channel, or fewer at the end of the file.
    pub fn next(&mut self, len: usize) -> Result<Vec<Vec<f32>>> {
        while self.pending[0].len() < len {
            let Some(block) = self.reader.read()? else { break };
            for (c, pending) in self.pending.iter_mut().enumerate() {
                match (block, self.channels) {
                    ([left, right], 1) => {
                        pending.extend(left.iter().zip(right).map(|(l, r)| (l + r) / 2.0))
                    }
                    _ => pending.extend_from_slice(&block[c.min(block.len() - 1)]),
                }
            }
        }
        let len = len.min(self.pending[0].len());
        Ok(self.pending.iter_mut().map(|pending| pending.drain(..len).collect()).collect())
    }
}
