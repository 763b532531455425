//! AIFF and AIFF-C files with uncompressed samples, A-law or mu-law.
//!
//! Source: Apple, "Audio Interchange File Format AIFF-C", draft of 1991-08-26. QuickTime added the
//! compression types `sowt`, `in24`, `in32`, `fl32`, `fl64`, `alaw` and `ulaw`.

use std::io;

use symphonia::core::codecs::audio::AudioCodecId;
use symphonia::core::codecs::audio::well_known::{
    CODEC_ID_PCM_ALAW, CODEC_ID_PCM_MULAW, CODEC_ID_PCM_U8,
};
use symphonia::core::io::MediaSource;

use super::block_source::{promise, unused};
use super::chunks::{Chunk, Chunks, Layout};
use super::pcm::{Endian, PcmLayout, floats, integers};

/// Position of the first chunk, after `FORM`, the size and the type.
const FIRST_CHUNK: u64 = 12;
const KNOWN: &[&[u8; 4]] =
    &[b"COMM", b"SSND", b"FVER", b"MARK", b"INST", b"NAME", b"ANNO", b"CHAN", b"ID3 "];

/// Reads the headers of an AIFF file. Returns the samples and warnings. The error is the reason.
pub(super) fn read(
    source: &mut dyn MediaSource,
    end: u64,
) -> Result<(PcmLayout, Vec<String>), String> {
    let mut chunks = Chunks::new(source, Layout::BigEndian, (KNOWN, b"SSND"), FIRST_CHUNK, end);
    let (mut common, mut sound) = (None, None::<(Chunk, u64)>);
    while common.is_none() || sound.is_none() {
        let Some(chunk) = chunks.next().map_err(|error| error.to_string())? else { break };
        let mut body = [0; 22];
        let read = chunks.read(&chunk, &mut body).map_err(|error| error.to_string())?;
        match &chunk.id {
            b"COMM" => common = Some(Common::parse(&body[..read])?),
            b"SSND" => {
                // The offset of the first sample, and an alignment that is not used.
                let offset = u32::from_be_bytes([body[0], body[1], body[2], body[3]]);
                sound = Some((chunk, 8 + u64::from(offset)));
            }
            _ => {}
        }
    }
    let common = common.ok_or("expected an AIFF file with a `COMM` chunk, found none")?;
    let (chunk, header) = sound.ok_or("expected an AIFF file with an `SSND` chunk, found none")?;
    let (codec, block_bytes) = common.coding()?;
    let start = (chunk.body + header).min(end);
    let frames = u64::from(common.frames);
    let length = Length::resolve(&mut chunks, &chunk, header, frames * block_bytes, end)
        .map_err(|error| error.to_string())?;
    let layout = PcmLayout {
        codec,
        sample_rate_hz: common.sample_rate_hz,
        channels: common.channels,
        block_bytes,
        frames_per_block: 1,
        data: start..start + length.bytes,
    };
    let warning = length.warning(&layout, frames);
    Ok((layout, warning.into_iter().collect()))
}

/// How many bytes of samples there are, and what the chunk's size says.
struct Length {
    bytes: u64,
    /// As many as are in the file.
    in_chunk: u64,
}

impl Length {
    /// The smallest of the declared bytes, the chunk and the file counts. The chunk's size is right
    /// if another chunk or the end of the file follows. A size of 0 is unknown unless it is right.
    fn resolve(
        chunks: &mut Chunks,
        chunk: &Chunk,
        header: u64,
        declared: u64,
        end: u64,
    ) -> io::Result<Self> {
        let present = end.saturating_sub(chunk.body + header);
        let in_chunk = chunk.size.saturating_sub(header);
        let after = chunks.after(chunk)?;
        let is_right =
            chunk.size >= header && chunk.end() <= end && chunks.plausible_rest(after)?;
        let most = match (declared, in_chunk) {
            _ if is_right => in_chunk,
            (0, bytes) if bytes > 0 => bytes.min(present),
            _ => present,
        };
        let bytes = if declared == 0 { most } else { declared.min(most) };
        Ok(Self { bytes, in_chunk: in_chunk.min(present) })
    }

    fn warning(&self, layout: &PcmLayout, promised: u64) -> Option<String> {
        let held = layout.frames_in(self.bytes);
        let in_chunk = layout.frames_in(self.in_chunk);
        if promised != held {
            return Some(promise(promised, held, layout.sample_rate_hz));
        }
        if in_chunk > held {
            let rest = self.in_chunk - self.bytes;
            return Some(unused(&layout.seconds_in(self.bytes), rest));
        }
        (in_chunk < held)
            .then(|| format!("the header promises {held} and {in_chunk} samples; {held} are used"))
    }
}

/// The fields of a `COMM` chunk.
struct Common {
    channels: u16,
    frames: u32,
    bits: u16,
    sample_rate_hz: u32,
    /// `NONE` in AIFF.
    compression: [u8; 4],
}

impl Common {
    fn parse(body: &[u8]) -> Result<Self, String> {
        let Some((fields, rest)) = body.split_first_chunk::<18>() else {
            return Err(format!("expected a `COMM` chunk of 18 bytes, found {}", body.len()));
        };
        let two = |at: usize| u16::from_be_bytes([fields[at], fields[at + 1]]);
        Ok(Self {
            channels: two(0),
            frames: u32::from(two(2)) << 16 | u32::from(two(4)),
            bits: two(6),
            sample_rate_hz: rate_hz(two(8), u64::from(two(10)) << 16 | u64::from(two(12))),
            compression: rest.first_chunk().copied().unwrap_or(*b"NONE"),
        })
    }

    /// Codec and bytes per frame.
    fn coding(&self) -> Result<(AudioCodecId, u64), String> {
        let bytes = u64::from(self.bits).div_ceil(8);
        let (codec, bytes) = match &self.compression {
            b"NONE" | b"none" | b"twos" => (integers(bytes, Endian::Big), bytes),
            b"sowt" => (integers(bytes, Endian::Little), bytes),
            b"in16" => (integers(2, Endian::Big), 2),
            b"in24" => (integers(3, Endian::Big), 3),
            b"in32" => (integers(4, Endian::Big), 4),
            b"42ni" => (integers(3, Endian::Little), 3),
            b"23ni" => (integers(4, Endian::Little), 4),
            b"fl32" | b"FL32" => (floats(4, Endian::Big), 4),
            b"fl64" | b"FL64" => (floats(8, Endian::Big), 8),
            b"raw " if bytes == 1 => (Some(CODEC_ID_PCM_U8), 1),
            b"raw " => (integers(bytes, Endian::Big), bytes),
            b"alaw" | b"ALAW" => (Some(CODEC_ID_PCM_ALAW), 1),
            b"ulaw" | b"ULAW" => (Some(CODEC_ID_PCM_MULAW), 1),
            _ => (None, 0),
        };
        let found = || {
            let name = self.compression.escape_ascii();
            format!("expected a supported codec, found {}-bit codec `{name}`", self.bits)
        };
        Ok((codec.ok_or_else(found)?, bytes * u64::from(self.channels).max(1)))
    }
}

/// The integer part of an 80-bit float of IEEE 754: sign and exponent, and the upper half of the
/// mantissa. 0 outside the range of sample rates.
fn rate_hz(exponent: u16, mantissa: u64) -> u32 {
    // The mantissa's upper 32 bits are the value times 2^(31 - exponent).
    let shift = 31 - (i32::from(exponent) - 0x3fff);
    if (0..32).contains(&shift) { (mantissa >> shift) as u32 } else { 0 }
}
