//! A part of a file as a media source, without the tags around it, or several parts in another order.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use symphonia::core::io::MediaSource;

/// The bytes of ranges of a source, one after the other. Position 0 is the start of the first range.
pub(super) struct ByteRange {
    source: Box<dyn MediaSource>,
    ranges: Vec<Range<u64>>,
    /// Position from the start of the first range.
    position: u64,
}

impl ByteRange {
    /// One range. Positions the source at its start.
    pub fn new(source: Box<dyn MediaSource>, range: Range<u64>) -> io::Result<Self> {
        Self::in_order(source, vec![range])
    }

    /// Several ranges inside the source, for readers that need the index in front of the samples.
    pub fn in_order(source: Box<dyn MediaSource>, ranges: Vec<Range<u64>>) -> io::Result<Self> {
        let mut bytes = Self { source, ranges, position: 0 };
        bytes.rewind()?;
        Ok(bytes)
    }

    /// Number of bytes.
    pub fn len(&self) -> u64 {
        self.ranges.iter().map(|range| range.end - range.start).sum()
    }

    /// A position in the source, and the number of bytes that follow it in its range. `None` if it
    /// is too large for a number.
    fn locate(&self, position: u64) -> Option<(u64, u64)> {
        let (mut offset, mut end) = (position, 0);
        for range in &self.ranges {
            let len = range.end - range.start;
            if offset < len {
                return Some((range.start + offset, len - offset));
            }
            (offset, end) = (offset - len, range.end);
        }
        Some((end.checked_add(offset)?, 0))
    }
}

impl Read for ByteRange {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.locate(self.position).map_or(0, |(_, left)| left);
        let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let read = self.source.read(&mut buffer[..most])?;
        self.position += read as u64;
        if read > 0 && read as u64 == left {
            // The next range can be anywhere in the source.
            self.seek(SeekFrom::Start(self.position))?;
        }
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
        let (in_source, _) = self.locate(position).ok_or_else(outside)?;
        self.source.seek(SeekFrom::Start(in_source))?;
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

    #[test]
    fn ranges_are_read_in_their_order_from_any_position() {
        let source = Box::new(io::Cursor::new(b"0123456789".to_vec()));
        let mut bytes = ByteRange::in_order(source, vec![0..2, 7..10, 2..2, 3..5]).expect("ranges");
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
