//! Writes the containers of [`PcmFile`] byte by byte, independent of the engine's writer.

use super::field::Size;
use super::pcm_file::{Coding, Container, Foreign, PcmFile};

/// The end of the GUIDs of Wave64, and of `WAVE_FORMAT_EXTENSIBLE`.
const WAVE64: [u8; 12] = *b"\xf3\xac\xd3\x11\x8c\xd1\0\xc0\x4f\x8e\xdb\x8a";
const RIFF64: [u8; 12] = *b"\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\0\0";
const EXTENSIBLE: [u8; 14] = *b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71";

impl PcmFile {
    /// The file.
    pub fn bytes(&self) -> Vec<u8> {
        let mut chunks = Vec::new();
        let before = self.before.iter().map(|foreign| self.foreign(foreign));
        let after: Vec<u8> = self.after.iter().flat_map(|foreign| self.foreign(foreign)).collect();
        let before: Vec<u8> = before.collect::<Vec<_>>().concat();
        let data = self.data_chunk();
        match self.container {
            Container::Caf => {
                chunks.extend(self.chunk(b"desc", &self.caf_description()));
                chunks.extend(before);
            }
            Container::Aiff | Container::Aifc => {
                chunks.extend(before);
                chunks.extend(self.chunk(b"COMM", &self.aiff_common()));
            }
            _ => {
                if matches!(self.container, Container::Rf64 | Container::Bw64) {
                    chunks.extend(self.chunk(b"ds64", &self.ds64()));
                }
                chunks.extend(before);
                chunks.extend(self.chunk(b"fmt ", &self.fmt()));
            }
        }
        chunks.extend(data);
        chunks.extend(after);
        let mut bytes = self.outer(chunks.len());
        bytes.extend(chunks);
        bytes.extend((0..self.tail_len).map(|n| (n * 37 + 200) as u8));
        bytes.truncate(self.cut.unwrap_or(usize::MAX));
        bytes
    }

    fn number(&self, value: u64, bytes: usize) -> Vec<u8> {
        let mut number = value.to_be_bytes()[8 - bytes..].to_vec();
        let is_big = matches!(
            self.container,
            Container::Rifx | Container::Aiff | Container::Aifc | Container::Caf
        );
        if !is_big {
            number.reverse();
        }
        number
    }

    fn outer(&self, chunks_len: usize) -> Vec<u8> {
        let size = self.outer_size.of_32_bits(4 + chunks_len).into();
        let (id, kind): (&[u8; 4], &[u8; 4]) = match self.container {
            Container::Riff => (b"RIFF", b"WAVE"),
            Container::Rifx => (b"RIFX", b"WAVE"),
            Container::Rf64 => (b"RF64", b"WAVE"),
            Container::Bw64 => (b"BW64", b"WAVE"),
            Container::Aiff => (b"FORM", b"AIFF"),
            Container::Aifc => (b"FORM", b"AIFC"),
            Container::Caf => return b"caff\0\x01\0\0".to_vec(),
            Container::Wave64 => {
                let size = self.outer_size.of_64_bits(40 + chunks_len).to_le_bytes();
                return [b"riff", &RIFF64[..], &size, b"wave", &WAVE64].concat();
            }
        };
        [id.as_slice(), &self.number(size, 4), kind].concat()
    }

    fn chunk(&self, id: &[u8; 4], body: &[u8]) -> Vec<u8> {
        self.chunk_with(id, Size::Right, body, true)
    }

    /// A chunk with its padding.
    fn chunk_with(&self, id: &[u8; 4], size: Size, body: &[u8], padded: bool) -> Vec<u8> {
        let (head, alignment) = match self.container {
            Container::Caf => ([&id[..], &size.of_64_bits(body.len()).to_be_bytes()].concat(), 1),
            Container::Wave64 => {
                let size = size.of_64_bits(body.len() + 24).to_le_bytes();
                ([&id[..], &WAVE64, &size].concat(), 8)
            }
            _ => {
                let size = self.number(size.of_32_bits(body.len()).into(), 4);
                ([&id[..], &size].concat(), 2)
            }
        };
        let padding = if padded { body.len().next_multiple_of(alignment) - body.len() } else { 0 };
        [head, body.to_vec(), vec![0; padding]].concat()
    }

    fn foreign(&self, foreign: &Foreign) -> Vec<u8> {
        let body: Vec<u8> = (0..foreign.len).map(|n| (n * 91 + 7) as u8).collect();
        self.chunk_with(&foreign.id, Size::Right, &body, foreign.padded)
    }

    /// The chunk of the samples.
    fn data_chunk(&self) -> Vec<u8> {
        let (id, head): (&[u8; 4], &[u8]) = match self.container {
            Container::Aiff | Container::Aifc => (b"SSND", &[0; 8]),
            Container::Caf => (b"data", &[0; 4]),
            _ => (b"data", &[]),
        };
        let body = [head, &self.data()].concat();
        // The size is in the `ds64` chunk.
        let size = match self.container {
            Container::Rf64 | Container::Bw64 => Size::Max,
            _ => self.data_size,
        };
        self.chunk_with(id, size, &body, true)
    }

    fn ds64(&self) -> Vec<u8> {
        let data = self.data_size.of_64_bits(self.data_len());
        let riff = self.outer_size.of_64_bits(self.data_len() + 80);
        [riff, data, self.frames as u64, 0].map(u64::to_le_bytes).concat()[..28].to_vec()
    }

    fn fmt(&self) -> Vec<u8> {
        let plain = match self.coding {
            Coding::Integer(_) => 1,
            Coding::Float32 | Coding::Float64 => 3,
            Coding::ALaw => 6,
            Coding::MuLaw => 7,
        };
        let is_extensible = self.fmt_len == 40;
        let tag = if is_extensible { 0xfffe } else { plain };
        let two = |value: u16| self.number(value.into(), 2);
        let per_second = self.rate_hz.wrapping_mul(self.block_field.into());
        let fields = [
            two(tag),
            two(self.channels_field),
            self.number(self.rate_hz.into(), 4),
            self.number(per_second.into(), 4),
            two(self.block_field),
            two(self.bits_field),
            two(self.extension_field),
            two(self.bits_field),
            self.number(0, 4),
            two(plain),
            EXTENSIBLE.to_vec(),
        ];
        fields.concat()[..self.fmt_len].to_vec()
    }

    fn aiff_common(&self) -> Vec<u8> {
        let frames = self.frames_size.of_32_bits(self.frames);
        let compression: &[u8] = match (self.container, self.coding) {
            (Container::Aiff, _) => b"",
            (_, Coding::Integer(_)) => b"NONE\0\0",
            (_, Coding::Float32) => b"fl32\0\0",
            (_, Coding::Float64) => b"fl64\0\0",
            (_, Coding::ALaw) => b"alaw\0\0",
            (_, Coding::MuLaw) => b"ulaw\0\0",
        };
        let fields = [
            self.number(self.channels_field.into(), 2),
            self.number(frames.into(), 4),
            self.number(self.bits_field.into(), 2),
            extended(self.rate_hz),
            compression.to_vec(),
        ];
        fields.concat()
    }

    fn caf_description(&self) -> Vec<u8> {
        let (id, is_float) = match self.coding {
            Coding::Integer(_) => (b"lpcm", 0),
            Coding::Float32 | Coding::Float64 => (b"lpcm", 1),
            Coding::ALaw => (b"alaw", 0),
            Coding::MuLaw => (b"ulaw", 0),
        };
        let flags = is_float | if self.is_little_endian() { 2 } else { 0 };
        let fields = [
            f64::from(self.rate_hz).to_be_bytes().to_vec(),
            id.to_vec(),
            self.number(flags, 4),
            self.number(self.block_field.into(), 4),
            self.number(1, 4),
            self.number(self.channels_field.into(), 4),
            self.number(self.bits_field.into(), 4),
        ];
        fields.concat()
    }
}

/// A positive integer as an 80-bit float.
fn extended(value: u32) -> Vec<u8> {
    if value == 0 {
        return vec![0; 10];
    }
    let shift = value.leading_zeros();
    let exponent = (0x3fff + 31 - shift) as u16;
    let mantissa = u64::from(value << shift) << 32;
    [&exponent.to_be_bytes()[..], &mantissa.to_be_bytes()].concat()
}
