//! The edit list of an MP4 or M4A file. Encoders use it to leave out delay and padding.
//!
//! symphonia-format-isomp4 0.6 reads the list and does not apply it. Source: ISO/IEC 14496-12,
//! sections 8.2.2 (`mvhd`), 8.4.2 (`mdhd`) and 8.6.6 (`elst`).

use std::io;

use super::byte_range::ByteRange;
use super::tags::read_at;

/// Largest `moov` box that is read.
const MOOV_BYTES_MAX: u64 = 16 << 20;

/// The music of the first track that has an edit list of one part.
#[derive(Clone, Copy, Debug)]
pub(super) struct EditList {
    /// Frames before the music.
    pub skip: u64,
    /// Frames of music, if the list declares them. Often rounded to 1 ms.
    pub frames: Option<u64>,
}

impl EditList {
    /// Reads the list. `None` if there is none, or one of several parts. The error is the reason.
    pub fn read(bytes: &mut ByteRange) -> Result<Option<Self>, String> {
        let moov = moov(bytes).map_err(|error| error.to_string())?.ok_or_else(|| {
            format!(
                "expected an M4A file with a whole index (`moov`), found {} bytes without one. The \
                 file is cut off: copy it again",
                bytes.len()
            )
        })?;
        Ok(boxes(&moov).filter(|(kind, _)| kind == b"trak").find_map(|(_, track)| {
            let movie_scale = time_scale(child(&moov, b"mvhd")?)?;
            let media_scale = time_scale(child(child(track, b"mdia")?, b"mdhd")?)?;
            Self::parse(child(child(track, b"edts")?, b"elst")?, movie_scale, media_scale)
        }))
    }

    /// Parses an `elst` box. The duration counts in the movie's time scale, the start in that of
    /// the media, which is the sample rate of audio.
    fn parse(list: &[u8], movie_scale: u32, media_scale: u32) -> Option<Self> {
        let entry = list.get(8..)?;
        if u32_at(list, 4)? != 1 {
            return None;
        }
        let (duration, start) = match list[0] {
            0 => (u64::from(u32_at(entry, 0)?), i64::from(u32_at(entry, 4)? as i32)),
            1 => (u64_at(entry, 0)?, u64_at(entry, 8)? as i64),
            _ => return None,
        };
        let skip = u64::try_from(start).ok()?;
        let frames = u128::from(duration) * u128::from(media_scale) / u128::from(movie_scale);
        let frames = u64::try_from(frames).ok().filter(|&frames| frames > 0);
        Some(Self { skip, frames })
    }
}

/// The body of the `moov` box. `None` if it is missing or cut off.
fn moov(bytes: &mut ByteRange) -> io::Result<Option<Vec<u8>>> {
    let (mut position, end) = (0, bytes.len());
    while position < end {
        let mut header = [0; 16];
        if read_at(bytes, position, &mut header)? < 8 {
            break;
        }
        let (size, body) = match u32_at(&header, 0) {
            Some(0) => (end - position, 8),
            Some(1) => (u64_at(&header, 8).unwrap_or(0), 16),
            size => (u64::from(size.unwrap_or(0)), 8),
        };
        if size < body {
            break;
        }
        if &header[4..8] == b"moov" {
            if size > end - position {
                return Ok(None);
            }
            let len = (size - body).min(MOOV_BYTES_MAX);
            let mut moov = vec![0; len as usize];
            let read = read_at(bytes, position + body, &mut moov)?;
            moov.truncate(read);
            return Ok(Some(moov));
        }
        position = position.saturating_add(size);
    }
    Ok(None)
}

/// The boxes in a body: kind and body. Ends at the first one with a wrong size.
fn boxes(body: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = body;
    std::iter::from_fn(move || {
        let size = u32_at(rest, 0)? as usize;
        let found = rest.get(..size).filter(|_| size >= 8)?;
        rest = &rest[size..];
        Some((&found[4..8], &found[8..]))
    })
}

fn child<'a>(body: &'a [u8], kind: &[u8; 4]) -> Option<&'a [u8]> {
    boxes(body).find(|(found, _)| found == kind).map(|(_, body)| body)
}

/// Units per second in a `mvhd` or `mdhd` box.
fn time_scale(header: &[u8]) -> Option<u32> {
    // Version 1 has 64-bit times in front of it.
    let position = if *header.first()? == 1 { 20 } else { 12 };
    u32_at(header, position).filter(|&scale| scale > 0)
}

fn u32_at(bytes: &[u8], position: usize) -> Option<u32> {
    bytes.get(position..position + 4)?.try_into().ok().map(u32::from_be_bytes)
}

fn u64_at(bytes: &[u8], position: usize) -> Option<u64> {
    bytes.get(position..position + 8)?.try_into().ok().map(u64::from_be_bytes)
}
