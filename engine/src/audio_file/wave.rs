//! WAV files: RIFF, big-endian RIFX, 64-bit RF64 and BW64, and Sony Wave64.
//!
//! symphonia refuses a file with one wrong size (symphonia-format-riff 0.6), so this module finds the
//! samples itself. Sources: "Multimedia Programming Interface and Data Specifications 1.0" (RIFF),
//! EBU Tech 3306 (RF64), ITU-R BS.2088 (BW64).

use std::io;

use symphonia::core::codecs::audio::AudioCodecId;
use symphonia::core::codecs::audio::well_known::*;
use symphonia::core::io::MediaSource;

use super::block_source::{promise, unused};
use super::chunks::{Chunk, Chunks, Layout};
use super::pcm::{Endian, PcmLayout, floats, integers};

/// Position of the first chunk, after `RIFF`, the size and `WAVE`.
const FIRST_CHUNK: u64 = 12;
/// As [`FIRST_CHUNK`] for Wave64: two identifiers of 16 bytes and a size of 8.
const FIRST_CHUNK_WAVE64: u64 = 40;
const KNOWN: &[&[u8; 4]] =
    &[b"fmt ", b"data", b"fact", b"LIST", b"bext", b"JUNK", b"ds64", b"cue ", b"smpl"];
/// Sizes from here on mean "unknown": programs that write to a pipe use them.
const UNKNOWN_SIZE: u64 = 0x7fff_f000;

/// What a WAV file contains.
pub(super) enum Wave {
    Pcm(PcmLayout),
    /// MP3 frames in the range of bytes.
    Mpeg(std::ops::Range<u64>),
}

/// Reads the headers of a WAV file. `marker` is the file's first four bytes.
///
/// Returns the samples and warnings. The error is the reason.
pub(super) fn read(
    source: &mut dyn MediaSource,
    marker: [u8; 4],
    end: u64,
) -> Result<(Wave, Vec<String>), String> {
    let (layout, first, endian) = match &marker {
        b"RIFX" => (Layout::BigEndian, FIRST_CHUNK, Endian::Big),
        b"riff" => (Layout::Wave64, FIRST_CHUNK_WAVE64, Endian::Little),
        _ => (Layout::Riff, FIRST_CHUNK, Endian::Little),
    };
    let mut chunks = Chunks::new(source, layout, (KNOWN, b"data"), first, end);
    let found = find(&mut chunks).map_err(|error| error.to_string())?;
    let fmt = found.fmt.ok_or("expected a WAV file with a `fmt ` chunk, found none")?;
    let data = found.data.ok_or("expected a WAV file with a `data` chunk, found none")?;
    let format = Format::parse(&fmt, endian)?;
    let mut pcm = PcmLayout {
        codec: CODEC_ID_PCM_S16LE,
        sample_rate_hz: format.sample_rate_hz,
        channels: format.channels,
        block_bytes: u64::from(format.block_bytes).max(1),
        frames_per_block: 1,
        data: data.body..end,
    };
    if format.tag == MPEG_LAYER_3 {
        let len = data.size.min(end - data.body);
        return Ok((Wave::Mpeg(data.body..data.body + len), Vec::new()));
    }
    (pcm.codec, pcm.block_bytes, pcm.frames_per_block) = format.coding(endian)?;
    let declared = found.size64.filter(|_| data.size == u64::from(u32::MAX)).unwrap_or(data.size);
    let length = Length::resolve(&mut chunks, &data, declared, end).map_err(|e| e.to_string())?;
    pcm.data = data.body..data.body + length.bytes;
    let warnings = length.warning(&pcm, declared).or_else(|| incomplete_block(&pcm));
    let warnings = warnings.into_iter().collect();
    Ok((Wave::Pcm(pcm), warnings))
}

/// The chunks that a reader needs.
#[derive(Default)]
struct Found {
    fmt: Option<Vec<u8>>,
    data: Option<Chunk>,
    /// Size of the `data` chunk in a `ds64` chunk.
    size64: Option<u64>,
}

fn find(chunks: &mut Chunks) -> io::Result<Found> {
    let mut found = Found::default();
    while found.fmt.is_none() || found.data.is_none() {
        let Some(chunk) = chunks.next()? else { break };
        match &chunk.id {
            b"fmt " if found.fmt.is_none() => {
                let mut body = vec![0; 40];
                let read = chunks.read(&chunk, &mut body)?;
                body.truncate(read);
                found.fmt = Some(body);
            }
            b"ds64" => {
                let mut body = [0; 16];
                if chunks.read(&chunk, &mut body)? == body.len() {
                    let size = body[8..].try_into().expect("8 bytes");
                    found.size64 = Some(u64::from_le_bytes(size));
                }
            }
            b"data" if found.data.is_none() => found.data = Some(chunk),
            _ => {}
        }
    }
    Ok(found)
}

/// How many bytes of samples there are, and what is wrong with the declared size.
struct Length {
    bytes: u64,
    finding: Finding,
}

enum Finding {
    Right,
    Unknown,
    TooLarge,
    /// Bytes after the declared end that are not chunks.
    Rest(u64),
}

impl Length {
    fn resolve(chunks: &mut Chunks, data: &Chunk, declared: u64, end: u64) -> io::Result<Self> {
        let present = end.saturating_sub(data.body);
        let after = chunks.after(&Chunk { size: declared, ..*data })?;
        if declared > present {
            let finding =
                if declared >= UNKNOWN_SIZE { Finding::Unknown } else { Finding::TooLarge };
            return Ok(Self { bytes: present, finding });
        }
        if chunks.plausible_rest(after)? {
            return Ok(Self { bytes: declared, finding: Finding::Right });
        }
        let rest = present - declared;
        // A 32-bit size of more than 4 GiB wraps around.
        if declared == 0 || rest.is_multiple_of(1 << 32) {
            return Ok(Self { bytes: present, finding: Finding::Unknown });
        }
        Ok(Self { bytes: declared, finding: Finding::Rest(rest) })
    }

    fn warning(&self, pcm: &PcmLayout, declared: u64) -> Option<String> {
        let held = pcm.seconds_in(self.bytes);
        match self.finding {
            Finding::Right => None,
            Finding::Unknown => {
                Some(format!("the header does not contain the length; the file holds {held}"))
            }
            Finding::TooLarge => Some(promise(
                pcm.frames_in(declared),
                pcm.frames_in(self.bytes),
                pcm.sample_rate_hz,
            )),
            Finding::Rest(bytes) => Some(unused(&held, bytes)),
        }
    }
}

/// A warning about the end of compressed samples, which are decoded in blocks.
fn incomplete_block(pcm: &PcmLayout) -> Option<String> {
    let rest = (pcm.data.end - pcm.data.start) % pcm.block_bytes;
    (pcm.frames_per_block > 1 && rest > 0)
        .then(|| format!("the last {rest} bytes are an incomplete block and are not used"))
}

const PCM: u16 = 1;
const MS_ADPCM: u16 = 2;
const IEEE_FLOAT: u16 = 3;
const A_LAW: u16 = 6;
const MU_LAW: u16 = 7;
const IMA_ADPCM: u16 = 0x11;
const MPEG_LAYER_3: u16 = 0x55;
const EXTENSIBLE: u16 = 0xfffe;

/// The fields of a `fmt ` chunk.
struct Format {
    tag: u16,
    channels: u16,
    sample_rate_hz: u32,
    block_bytes: u16,
    bits: u16,
}

impl Format {
    fn parse(fmt: &[u8], endian: Endian) -> Result<Self, String> {
        let two = |at: usize| {
            let bytes = fmt.get(at..at + 2).map_or([0; 2], |b| b.try_into().expect("2 bytes"));
            match endian {
                Endian::Little => u16::from_le_bytes(bytes),
                Endian::Big => u16::from_be_bytes(bytes),
            }
        };
        if fmt.len() < 14 {
            return Err(format!("expected a `fmt ` chunk of 16 bytes, found {}", fmt.len()));
        }
        let (high, low) = if endian == Endian::Big { (4, 6) } else { (6, 4) };
        let tag = if two(0) == EXTENSIBLE { two(24) } else { two(0) };
        Ok(Self {
            tag,
            channels: two(2),
            sample_rate_hz: u32::from(two(high)) << 16 | u32::from(two(low)),
            block_bytes: two(12),
            bits: two(14),
        })
    }

    /// Codec, bytes per block and frames per block.
    fn coding(&self, endian: Endian) -> Result<(AudioCodecId, u64, u64), String> {
        let channels = u64::from(self.channels).max(1);
        let (block, bits) = (u64::from(self.block_bytes), u64::from(self.bits));
        // The block size decides: 20-bit samples have 3 bytes.
        let bytes = match block {
            block if block > 0 && block % channels == 0 && bits.div_ceil(8) <= block / channels => {
                block / channels
            }
            _ => bits.div_ceil(8),
        };
        let plain = |codec: Option<AudioCodecId>| codec.map(|codec| (codec, bytes * channels, 1));
        let unsupported =
            || format!("expected a supported codec, found {bits}-bit codec {:#06x}", self.tag);
        let blocks = |codec, header: u64, extra: u64| {
            let samples = block.checked_sub(header * channels)? * 2 / channels + extra;
            (block > 0).then_some((codec, block, samples))
        };
        match self.tag {
            PCM if bytes == 1 => plain(Some(CODEC_ID_PCM_U8)),
            PCM => plain(integers(bytes, endian)),
            IEEE_FLOAT => plain(floats(bytes, endian)),
            A_LAW => Some((CODEC_ID_PCM_ALAW, channels, 1)),
            MU_LAW => Some((CODEC_ID_PCM_MULAW, channels, 1)),
            MS_ADPCM => blocks(CODEC_ID_ADPCM_MS, 7, 2),
            IMA_ADPCM => blocks(CODEC_ID_ADPCM_IMA_WAV, 4, 1),
            _ => None,
        }
        .ok_or_else(unsupported)
    }
}
