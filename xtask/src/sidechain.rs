//! A recording that plays beside another one.

use std::path::Path;

use anyhow::{Result, ensure};
use engine::audio_file::Reader;

/// Hands out a file in blocks of any length, with as many channels as the main signal has.
pub struct Sidechain {
    reader: Reader,
    channels: usize,
    /// Read, but not handed out.
    ready: Vec<Vec<f32>>,
}

impl Sidechain {
    /// Opens a file to play beside `main`.
    ///
    /// # Errors
    /// One sentence if it cannot be read or has another sample rate.
    pub fn open(path: &Path, main: &Reader) -> Result<Self> {
        let reader = Reader::open(path)?;
        let (expected, found) = (main.sample_rate_hz(), reader.sample_rate_hz());
        ensure!(
            expected == found,
            "{}: expected the input's sample rate of {expected} Hz, found {found} Hz",
            path.display()
        );
        let channels = main.channels();
        Ok(Self { reader, channels, ready: vec![Vec::new(); channels] })
    }

    /// The next `len` samples of every channel; fewer after the file's end.
    pub fn next(&mut self, len: usize) -> Result<Vec<Vec<f32>>> {
        while self.ready[0].len() < len {
            let Some(block) = self.reader.read()? else { break };
            for (c, ready) in self.ready.iter_mut().enumerate() {
                match (block, self.channels) {
                    ([left, right], 1) => {
                        ready.extend(left.iter().zip(right).map(|(l, r)| (l + r) / 2.0))
                    }
                    _ => ready.extend_from_slice(&block[c.min(block.len() - 1)]),
                }
            }
        }
        let len = len.min(self.ready[0].len());
        Ok(self.ready.iter_mut().map(|ready| ready.drain(..len).collect()).collect())
    }
}
