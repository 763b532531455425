//! A file with uncompressed samples, described by its header's fields, right or wrong.

use super::field::Size;

/// The container of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    Riff,
    Rifx,
    Rf64,
    Bw64,
    Wave64,
    Aiff,
    Aifc,
    Caf,
}

impl Container {
    pub const ALL: [Self; 8] = [
        Self::Riff,
        Self::Rifx,
        Self::Rf64,
        Self::Bw64,
        Self::Wave64,
        Self::Aiff,
        Self::Aifc,
        Self::Caf,
    ];

    /// Whether the header is a `fmt ` chunk.
    pub fn is_wave(self) -> bool {
        !matches!(self, Self::Aiff | Self::Aifc | Self::Caf)
    }
}

/// How samples are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// Signed integers of 1 to 4 bytes. WAV stores single bytes unsigned.
    Integer(usize),
    Float32,
    Float64,
    ALaw,
    MuLaw,
}

impl Coding {
    /// Bytes of a sample.
    pub fn bytes(self) -> usize {
        match self {
            Self::Integer(bytes) => bytes,
            Self::Float32 => 4,
            Self::Float64 => 8,
            Self::ALaw | Self::MuLaw => 1,
        }
    }
}

/// A chunk that is not used, or bytes that are no chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foreign {
    pub id: [u8; 4],
    pub len: usize,
    /// Whether an odd length is followed by the padding byte.
    pub padded: bool,
}

/// The fields of a file. The rest follows from them.
#[derive(Clone, Debug, PartialEq)]
pub struct PcmFile {
    pub container: Container,
    pub coding: Coding,
    /// Channels of the samples, and the field.
    pub channels: usize,
    pub channels_field: u16,
    pub rate_hz: u32,
    pub bits_field: u16,
    /// Bytes of a frame. Not in AIFF.
    pub block_field: u16,
    pub frames: usize,
    /// The frame count of AIFF.
    pub frames_size: Size,
    /// The size of the file's outer chunk.
    pub outer_size: Size,
    /// The size of the samples' chunk.
    pub data_size: Size,
    /// Bytes of the `fmt ` chunk, and its extension's size. 40 bytes are `WAVE_FORMAT_EXTENSIBLE`.
    pub fmt_len: usize,
    pub extension_field: u16,
    pub before: Vec<Foreign>,
    pub after: Vec<Foreign>,
    /// Bytes that are no chunk, at the end.
    pub tail_len: usize,
    /// The length to which the file is cut.
    pub cut: Option<usize>,
}

impl PcmFile {
    /// Bytes of a frame.
    pub fn frame_bytes(&self) -> usize {
        self.channels * self.coding.bytes()
    }

    /// Bytes of all samples.
    pub fn data_len(&self) -> usize {
        self.frames * self.frame_bytes()
    }

    /// The sample `n` of channel `c` as a 32-bit integer: noise that depends on both.
    fn integer(n: usize, c: usize) -> i32 {
        ((n * 2 + c + 1) as u32).wrapping_mul(2_654_435_769).rotate_left(9) as i32
    }

    /// The sample as the reader must return it. `None` for A-law and mu-law.
    fn sample(&self, n: usize, c: usize) -> Option<f32> {
        let integer = Self::integer(n, c);
        match self.coding {
            Coding::Integer(bytes) => {
                let bits = 8 * bytes as u32;
                let value = f64::from(integer >> (32 - bits));
                Some((value / f64::from(1_u32 << (bits - 1))) as f32)
            }
            Coding::Float32 | Coding::Float64 => Some(Self::float(integer)),
            Coding::ALaw | Coding::MuLaw => None,
        }
    }

    fn float(integer: i32) -> f32 {
        (integer >> 8) as f32 / (1 << 23) as f32
    }

    /// The samples that the reader must return, one vector for each channel.
    pub fn expected(&self) -> Option<Vec<Vec<f32>>> {
        let channel = |c| (0..self.frames).map(move |n| self.sample(n, c)).collect();
        (0..self.channels).map(channel).collect()
    }

    /// The samples as bytes.
    pub fn data(&self) -> Vec<u8> {
        let places = (0..self.frames).flat_map(|n| (0..self.channels).map(move |c| (n, c)));
        places.flat_map(|(n, c)| self.bytes_of(Self::integer(n, c))).collect()
    }

    fn bytes_of(&self, integer: i32) -> Vec<u8> {
        let mut big = match self.coding {
            Coding::Integer(1) if self.container.is_wave() => {
                vec![((integer >> 24) as u8).wrapping_add(0x80)]
            }
            Coding::Integer(bytes) => integer.to_be_bytes()[..bytes].to_vec(),
            Coding::Float32 => Self::float(integer).to_be_bytes().to_vec(),
            Coding::Float64 => f64::from(Self::float(integer)).to_be_bytes().to_vec(),
            Coding::ALaw | Coding::MuLaw => vec![(integer >> 24) as u8],
        };
        if self.is_little_endian() {
            big.reverse();
        }
        big
    }

    /// Whether samples are little-endian. CAF files alternate, so that both are read.
    pub fn is_little_endian(&self) -> bool {
        match self.container {
            Container::Rifx | Container::Aiff | Container::Aifc => false,
            Container::Caf => self.frames.is_multiple_of(2),
            _ => true,
        }
    }

    /// Whether all fields that describe the samples are right, so that they must be read.
    pub fn describes_its_samples(&self) -> bool {
        self.frames > 0
            && (1..=2).contains(&self.channels)
            && usize::from(self.channels_field) == self.channels
            && (8_000..=192_000).contains(&self.rate_hz)
            && usize::from(self.bits_field) == 8 * self.coding.bytes()
            && usize::from(self.block_field) == self.frame_bytes()
            && (!self.container.is_wave() || self.fmt_len >= 16)
    }

    /// Whether all fields are right and the file is complete.
    pub fn is_legal(&self) -> bool {
        let exact = |size: Size| size == Size::Right || size == Size::Off(0);
        self.describes_its_samples()
            && exact(self.data_size)
            && exact(self.frames_size)
            && self.cut.is_none()
            && self.tail_len == 0
            && self.before.iter().chain(&self.after).all(|foreign| foreign.padded)
    }
}
