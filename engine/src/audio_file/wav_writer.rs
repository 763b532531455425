//! Writes WAV files with the header that every program reads: `WAVE_FORMAT_PCM` or
//! `WAVE_FORMAT_IEEE_FLOAT`, without speaker positions.
//!
//! A file beyond 4 GiB becomes RF64 (EBU Tech 3306): its `ds64` chunk replaces a `JUNK` chunk that
//! every file reserves.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};

use super::SampleFormat;

/// Size of a `ds64` chunk without a table.
const DS64_BYTES: u32 = 28;
const PCM: u16 = 1;
const IEEE_FLOAT: u16 = 3;

/// Writes samples to a file.
pub(super) struct WavWriter {
    file: BufWriter<File>,
    sample_rate_hz: u32,
    channels: u16,
    format: SampleFormat,
    data_bytes: u64,
}

impl WavWriter {
    /// Writes a header, which [`Self::finish`] completes.
    pub fn new(
        file: File,
        sample_rate_hz: u32,
        channels: usize,
        format: SampleFormat,
    ) -> io::Result<Self> {
        let (file, channels) = (BufWriter::new(file), channels as u16);
        let mut writer = Self { file, sample_rate_hz, channels, format, data_bytes: 0 };
        writer.file.write_all(&writer.header())?;
        Ok(writer)
    }

    /// Appends an integer sample of the format's size.
    pub fn integer(&mut self, sample: i32) -> io::Result<()> {
        let bytes = self.format.bytes();
        self.write(&sample.to_le_bytes()[..bytes])
    }

    /// Appends a float sample.
    pub fn float(&mut self, sample: f32) -> io::Result<()> {
        self.write(&sample.to_le_bytes())
    }

    /// Pads the data and completes the header.
    pub fn finish(mut self) -> io::Result<()> {
        if !self.data_bytes.is_multiple_of(2) {
            self.file.write_all(&[0])?;
        }
        self.file.seek(SeekFrom::Start(0))?;
        let header = self.header();
        self.file.write_all(&header)?;
        self.file.flush()
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.data_bytes += bytes.len() as u64;
        self.file.write_all(bytes)
    }

    fn header(&self) -> Vec<u8> {
        let float = self.format == SampleFormat::Float32;
        let block = self.format.bytes() * usize::from(self.channels);
        // Only integers need no `fact` chunk.
        let fact = if float { 12 } else { 0 };
        let padded = self.data_bytes + self.data_bytes % 2;
        let riff = 4 + u64::from(8 + DS64_BYTES) + 24 + fact + 8 + padded;
        let is_rf64 = riff > u64::from(u32::MAX);
        let size = |bytes: u64| u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes();
        let frames = self.data_bytes / block as u64;
        let mut header = Vec::new();
        header.extend(if is_rf64 { b"RF64" } else { b"RIFF" });
        header.extend(if is_rf64 { [0xff; 4] } else { size(riff) });
        header.extend(b"WAVE");
        header.extend(if is_rf64 { b"ds64" } else { b"JUNK" });
        header.extend(DS64_BYTES.to_le_bytes());
        let sizes = [riff, self.data_bytes, frames].map(u64::to_le_bytes).concat();
        header.extend(if is_rf64 { sizes } else { vec![0; sizes.len()] });
        header.extend([0; 4]);
        header.extend(b"fmt \x10\0\0\0");
        header.extend((if float { IEEE_FLOAT } else { PCM }).to_le_bytes());
        header.extend(self.channels.to_le_bytes());
        header.extend(self.sample_rate_hz.to_le_bytes());
        header.extend((self.sample_rate_hz * block as u32).to_le_bytes());
        header.extend((block as u16).to_le_bytes());
        header.extend((8 * self.format.bytes() as u16).to_le_bytes());
        if float {
            header.extend(b"fact\x04\0\0\0");
            header.extend(size(frames));
        }
        header.extend(b"data");
        header.extend(if is_rf64 { [0xff; 4] } else { size(self.data_bytes) });
        header
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer(data_bytes: u64) -> WavWriter {
        let file = tempfile::tempfile().expect("a file");
        let mut writer = WavWriter::new(file, 48_000, 2, SampleFormat::Int24).expect("created");
        writer.data_bytes = data_bytes;
        writer
    }

    #[test]
    fn four_gib_is_the_limit_of_riff() {
        let header = writer(6_000).header();
        assert_eq!(&header[..4], b"RIFF");
        assert_eq!(header[4..8], 6_072_u32.to_le_bytes());
        assert_eq!(header[header.len() - 4..], 6_000_u32.to_le_bytes());
        let bytes = 6_000_000_000_u64;
        let header = writer(bytes).header();
        assert!(&header[..4] == b"RF64" && &header[12..16] == b"ds64");
        assert_eq!(header[20..28], (bytes + 72).to_le_bytes());
        assert_eq!(header[28..36], bytes.to_le_bytes());
        assert_eq!(header[36..44], 1_000_000_000_u64.to_le_bytes());
        assert_eq!(header[header.len() - 4..], [0xff; 4]);
    }
}
