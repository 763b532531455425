//! Chunks of RIFF, RIFX, RF64, Sony Wave64, AIFF and CAF files, whatever their size fields contain.
//!
//! Recorders that crash, pipes and careless editors write wrong sizes. So the sizes of the outer
//! chunk are ignored, and an implausible chunk is skipped by a search for the next known one.

use std::io;

use symphonia::core::io::MediaSource;

use super::tags::{read_at, tag_len};

/// Bytes that are searched for the next chunk after an implausible one.
const SEARCH_BYTES: u64 = 1 << 20;
/// Bytes that a search reads first. It doubles them, so that its cost follows the distance: a file
/// can consist of implausible chunks.
const FIRST_SEARCH_BYTES: u64 = 64;

/// Layout of chunk headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Four characters and a 32-bit little-endian size; bodies are padded to 2 bytes.
    Riff,
    /// As `Riff`, but big-endian (RIFX, AIFF).
    BigEndian,
    /// Four characters and a 64-bit big-endian size; bodies are not padded (CAF).
    Caf,
    /// A 16-byte identifier that starts with the four characters, and a 64-bit size that includes
    /// this header; chunks are padded to 8 bytes.
    Wave64,
}

/// A chunk: its identifier and its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub id: [u8; 4],
    /// Position of the body in the source.
    pub body: u64,
    /// Declared size of the body in bytes.
    pub size: u64,
}

impl Chunk {
    /// The position after the declared body, without padding.
    pub fn end(&self) -> u64 {
        self.body.saturating_add(self.size)
    }
}

/// Walks the chunks of a source.
pub(super) struct Chunks<'a> {
    source: &'a mut dyn MediaSource,
    layout: Layout,
    /// Identifiers that end a search.
    known: &'static [&'static [u8; 4]],
    /// The identifier of the samples, whose size may be wrong.
    sound: &'static [u8; 4],
    position: u64,
    end: u64,
}

impl<'a> Chunks<'a> {
    /// The chunks from `position` to `end`.
    pub fn new(
        source: &'a mut dyn MediaSource,
        layout: Layout,
        (known, sound): (&'static [&'static [u8; 4]], &'static [u8; 4]),
        position: u64,
        end: u64,
    ) -> Self {
        Self { source, layout, known, sound, position, end }
    }

    /// The next chunk, or `None` at the end.
    pub fn next(&mut self) -> io::Result<Option<Chunk>> {
        let mut found = match self.at(self.position)? {
            None => self.search(self.position)?,
            chunk => chunk,
        };
        while let Some(chunk) = found {
            if chunk.id == *self.sound || chunk.end() <= self.end {
                self.position = self.after(&chunk)?;
                return Ok(Some(chunk));
            }
            // The chunk is larger than the file, or not a chunk.
            found = self.search(chunk.body)?;
        }
        Ok(None)
    }

    /// Reads the body of a chunk, up to `buffer.len()` bytes.
    pub fn read(&mut self, chunk: &Chunk, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(usize::try_from(chunk.size).unwrap_or(usize::MAX));
        read_at(self.source, chunk.body, &mut buffer[..most])
    }

    /// Whether the bytes from `position` to the end can be chunks, padding or a tag.
    pub fn plausible_rest(&mut self, position: u64) -> io::Result<bool> {
        if position.saturating_add(self.layout.header_bytes()) > self.end {
            return Ok(true);
        }
        let mut head = [0; 32];
        let read = read_at(self.source, position, &mut head)?;
        if tag_len(&head[..read]) > 0 {
            return Ok(true);
        }
        Ok(self.at(position)?.is_some_and(|chunk| chunk.end() <= self.end + 1))
    }

    /// The position after a chunk. Some editors omit the padding byte of an odd size.
    pub fn after(&mut self, chunk: &Chunk) -> io::Result<u64> {
        let end = chunk.end();
        let padding = self.layout.padding(chunk.size);
        if padding == 1 && end < self.end {
            let mut known_at = |position| -> io::Result<bool> {
                Ok(self.at(position)?.is_some_and(|next| self.is_known(next.id)))
            };
            if !known_at(end + 1)? && known_at(end)? {
                return Ok(end);
            }
        }
        Ok(end.saturating_add(padding))
    }

    fn is_known(&self, id: [u8; 4]) -> bool {
        self.known.iter().any(|&&known| known == id)
    }

    /// The chunk with its header at `position`, if its identifier is text.
    fn at(&mut self, position: u64) -> io::Result<Option<Chunk>> {
        let mut header = [0; 24];
        let header = &mut header[..self.layout.header_bytes() as usize];
        // Not every source accepts a position far beyond its end.
        if position >= self.end {
            return Ok(None);
        }
        if read_at(self.source, position, header)? < header.len() {
            return Ok(None);
        }
        let id = [header[0], header[1], header[2], header[3]];
        if !id.iter().all(|byte| (0x20..0x7f).contains(byte)) {
            return Ok(None);
        }
        let size = self.layout.size(header);
        Ok(Some(Chunk { id, body: position + header.len() as u64, size }))
    }

    /// The first known chunk from `position` on.
    fn search(&mut self, position: u64) -> io::Result<Option<Chunk>> {
        let end = position.saturating_add(SEARCH_BYTES).min(self.end);
        let (mut start, mut len) = (position, FIRST_SEARCH_BYTES);
        let mut bytes = Vec::new();
        while start.saturating_add(4) <= end {
            bytes.resize(len.min(end - start) as usize, 0);
            let read = read_at(self.source, start, &mut bytes)?;
            let is_known = |window: &[u8]| self.known.iter().any(|&known| window == known);
            if let Some(offset) = bytes[..read].windows(4).position(is_known) {
                return self.at(start + offset as u64);
            }
            // An identifier may lie across the end of the part.
            start += len - 3;
            len *= 2;
        }
        Ok(None)
    }
}

impl Layout {
    fn header_bytes(self) -> u64 {
        match self {
            Self::Riff | Self::BigEndian => 8,
            Self::Caf => 12,
            Self::Wave64 => 24,
        }
    }

    fn padding(self, size: u64) -> u64 {
        match self {
            Self::Riff | Self::BigEndian => size % 2,
            Self::Caf => 0,
            Self::Wave64 => size.wrapping_neg() % 8,
        }
    }

    fn size(self, header: &[u8]) -> u64 {
        let four = || [header[4], header[5], header[6], header[7]];
        match self {
            Self::Riff => u32::from_le_bytes(four()).into(),
            Self::BigEndian => u32::from_be_bytes(four()).into(),
            Self::Caf => u64::from_be_bytes(header[4..12].try_into().expect("8 bytes")),
            Self::Wave64 => {
                let size = header[16..24].try_into().expect("8 bytes");
                u64::from_le_bytes(size).saturating_sub(self.header_bytes())
            }
        }
    }
}
