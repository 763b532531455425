//! Core Audio Format files with uncompressed samples, A-law or mu-law.
//!
//! symphonia-format-caf 0.6 refuses a file that is cut off. Compressed CAF files go to symphonia,
//! with their packet table in front of the samples. Most encoders write it after them.
//! Source: Apple, "Core Audio Format Specification 1.0".

use std::ops::Range;

use symphonia::core::codecs::audio::well_known::{CODEC_ID_PCM_ALAW, CODEC_ID_PCM_MULAW};
use symphonia::core::io::MediaSource;

use super::block_source::{promise, unused};
use super::chunks::{Chunk, Chunks, Layout};
use super::pcm::{Endian, PcmLayout, floats, integers};

/// Position of the first chunk, after the file type, version and flags.
const FIRST_CHUNK: u64 = 8;
const KNOWN: &[&[u8; 4]] = &[b"desc", b"data", b"chan", b"free", b"info", b"kuki", b"pakt"];
/// Bytes of a chunk's identifier and size.
const HEADER_BYTES: u64 = 12;
/// Bytes of the edit count in front of the samples.
const EDIT_COUNT: u64 = 4;
const IS_FLOAT: u32 = 1;
const IS_LITTLE_ENDIAN: u32 = 2;

/// What a CAF file contains.
pub(super) enum Caf {
    Pcm(PcmLayout, Vec<String>),
    /// Compressed samples. The ranges of the file in the order that symphonia needs, if it is another.
    Packets(Option<Vec<Range<u64>>>),
}

/// Reads the headers of a CAF file. Returns the samples and warnings. The error is the reason.
pub(super) fn read(source: &mut dyn MediaSource, end: u64) -> Result<Caf, String> {
    let mut chunks = Chunks::new(source, Layout::Caf, (KNOWN, b"data"), FIRST_CHUNK, end);
    let (mut description, mut data, mut has_table) = (None, None, false);
    while description.is_none() || data.is_none() {
        let Some(chunk) = chunks.next().map_err(|error| error.to_string())? else { break };
        match &chunk.id {
            b"desc" => {
                let mut body = [0; 32];
                let read = chunks.read(&chunk, &mut body).map_err(|error| error.to_string())?;
                description = (read == body.len()).then_some(body);
            }
            b"data" => data = Some(chunk),
            b"pakt" => has_table = true,
            _ => {}
        }
    }
    let fields = description.ok_or("expected a CAF file with a `desc` chunk, found none")?;
    let data = data.ok_or("expected a CAF file with a `data` chunk, found none")?;
    let Some(mut layout) = layout(&fields)? else {
        let table = if has_table { None } else { table(&mut chunks)? };
        let table = table.filter(|table| table.body > data.end() && table.end() <= end);
        return Ok(Caf::Packets(table.map(|table| order(&data, &table))));
    };
    let is_followed_by_chunks =
        chunks.plausible_rest(data.end()).map_err(|error| error.to_string())?;
    let start = (data.body + EDIT_COUNT).min(end);
    let (declared, present) = (data.size.saturating_sub(EDIT_COUNT), end - start);
    let bytes = declared.min(present);
    layout.data = start..start + bytes;
    // A size of -1 means the rest of the file.
    let warning = if declared > present && (data.size as i64) > 0 {
        let (promised, held) = (layout.frames_in(declared), layout.frames_in(bytes));
        Some(promise(promised, held, layout.sample_rate_hz))
    } else {
        (!is_followed_by_chunks).then(|| unused(&layout.seconds_in(bytes), present - bytes))
    };
    Ok(Caf::Pcm(layout, warning.into_iter().collect()))
}

/// The packet table in the rest of the chunks.
fn table(chunks: &mut Chunks) -> Result<Option<Chunk>, String> {
    while let Some(chunk) = chunks.next().map_err(|error| error.to_string())? {
        if &chunk.id == b"pakt" {
            return Ok(Some(chunk));
        }
    }
    Ok(None)
}

/// The file with a packet table that follows the samples in front of them.
fn order(data: &Chunk, table: &Chunk) -> Vec<Range<u64>> {
    let start = data.body - HEADER_BYTES;
    vec![0..start, table.body - HEADER_BYTES..table.end(), start..data.end()]
}

/// The layout in a `desc` chunk, without the range. `None` for compressed samples.
fn layout(fields: &[u8; 32]) -> Result<Option<PcmLayout>, String> {
    let four = |at: usize| {
        u32::from_be_bytes([fields[at], fields[at + 1], fields[at + 2], fields[at + 3]])
    };
    let rate_hz = f64::from_be_bytes(fields[..8].try_into().expect("8 bytes"));
    let (flags, frame_bytes, channels) = (four(12), u64::from(four(16)), four(24));
    let endian = if flags & IS_LITTLE_ENDIAN == 0 { Endian::Big } else { Endian::Little };
    let bytes = frame_bytes / u64::from(channels).max(1);
    let codec = match &fields[8..12] {
        b"lpcm" if flags & IS_FLOAT != 0 => floats(bytes, endian),
        b"lpcm" => integers(bytes, endian),
        b"alaw" => (bytes == 1).then_some(CODEC_ID_PCM_ALAW),
        b"ulaw" => (bytes == 1).then_some(CODEC_ID_PCM_MULAW),
        _ => return Ok(None),
    };
    let codec = codec.filter(|_| frame_bytes == bytes * u64::from(channels));
    let found = || {
        let name = fields[8..12].escape_ascii();
        format!(
            "expected samples of a supported size, found {channels} channels of codec `{name}` in \
             {frame_bytes} bytes"
        )
    };
    Ok(Some(PcmLayout {
        codec: codec.ok_or_else(found)?,
        sample_rate_hz: rate_hz as u32,
        channels: u16::try_from(channels).map_err(|_| found())?,
        block_bytes: frame_bytes,
        frames_per_block: 1,
        data: 0..0,
    }))
}
