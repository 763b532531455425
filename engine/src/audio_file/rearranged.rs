//! A file with its parts in another order, for readers that need the index in front of the samples.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use symphonia::core::io::MediaSource;

/// The bytes of several ranges of a source, one after the other.
pub(super) struct Rearranged {
    source: Box<dyn MediaSource>,
    ranges: Vec<Range<u64>>,
    /// Position from the start of the first range.
    position: u64,
}

impl Rearranged {
    /// The ranges are inside the source.
    pub fn new(source: Box<dyn MediaSource>, ranges: Vec<Range<u64>>) -> Self {
        Self { source, ranges, position: 0 }
    }

    /// Number of bytes.
    pub fn len(&self) -> u64 {
        self.ranges.iter().map(|range| range.end - range.start).sum()
    }

    /// What follows the position in its range, as a range of the source.
    fn rest(&self) -> Option<Range<u64>> {
        let mut offset = self.position;
        self.ranges.iter().find_map(|range| {
            let len = range.end - range.start;
            if offset < len {
                return Some(range.start + offset..range.end);
            }
            offset -= len;
            None
        })
    }
}

impl Read for Rearranged {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(rest) = self.rest() else { return Ok(0) };
        let left = usize::try_from(rest.end - rest.start).unwrap_or(usize::MAX);
        let most = buffer.len().min(left);
        self.source.seek(SeekFrom::Start(rest.start))?;
        let read = self.source.read(&mut buffer[..most])?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for Rearranged {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.len().checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        let outside = || io::Error::new(io::ErrorKind::InvalidInput, "a position before the start");
        self.position = position.ok_or_else(outside)?;
        Ok(self.position)
    }
}

impl MediaSource for Rearranged {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_in_their_order_from_any_position() {
        let source = Box::new(io::Cursor::new(b"0123456789".to_vec()));
        let mut bytes = Rearranged::new(source, vec![0..2, 7..10, 2..2, 3..5]);
        let mut all = String::new();
        bytes.read_to_string(&mut all).expect("read");
        assert_eq!((all.as_str(), bytes.len()), ("0178934", 7));
        bytes.seek(SeekFrom::End(-3)).expect("sought");
        let mut rest = String::new();
        bytes.read_to_string(&mut rest).expect("read");
        assert_eq!(rest, "934");
        assert!(bytes.seek(SeekFrom::Current(-8)).is_err());
        bytes.seek(SeekFrom::Start(99)).expect("sought");
        assert_eq!(bytes.read(&mut [0; 4]).expect("read"), 0, "beyond the end");
    }
}
