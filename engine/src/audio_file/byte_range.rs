//! A part of a file as a media source, without the tags around it.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use symphonia::core::io::MediaSource;

/// The bytes of a range of a source. Position 0 is the start of the range.
pub(super) struct ByteRange {
    source: Box<dyn MediaSource>,
    range: Range<u64>,
    /// Position from the start of the range.
    position: u64,
}

impl ByteRange {
    /// Positions the source at the start of the range.
    pub fn new(mut source: Box<dyn MediaSource>, range: Range<u64>) -> io::Result<Self> {
        source.seek(SeekFrom::Start(range.start))?;
        Ok(Self { source, range, position: 0 })
    }

    /// Number of bytes.
    pub fn len(&self) -> u64 {
        self.range.end - self.range.start
    }
}

impl Read for ByteRange {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.len().saturating_sub(self.position);
        let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let read = self.source.read(&mut buffer[..most])?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for ByteRange {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.len().checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        let outside = || io::Error::new(io::ErrorKind::InvalidInput, "a position before the start");
        let position = position.ok_or_else(outside)?;
        let absolute = self.range.start.checked_add(position).ok_or_else(outside)?;
        self.source.seek(SeekFrom::Start(absolute))?;
        self.position = position;
        Ok(position)
    }
}

impl MediaSource for ByteRange {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.len())
    }
}

/// Reads up to `buffer.len()` bytes: fewer only at the end of the source.
pub(super) fn read_full(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_range_is_read_and_positions_count_from_its_start() {
        let source = Box::new(io::Cursor::new(b"0123456789".to_vec()));
        let mut range = ByteRange::new(source, 2..7).expect("a range");
        let mut all = Vec::new();
        range.read_to_end(&mut all).expect("read");
        assert_eq!(all, b"23456");
        assert_eq!(range.seek(SeekFrom::End(-2)).expect("sought"), 3);
        let mut rest = [0; 8];
        assert_eq!(read_full(&mut range, &mut rest).expect("read"), 2);
        assert_eq!(&rest[..2], b"56");
        assert!(range.seek(SeekFrom::Start(9)).is_ok());
        assert_eq!(range.read(&mut rest).expect("read"), 0, "beyond the end");
        assert!(range.seek(SeekFrom::Current(-100)).is_err());
    }
}
