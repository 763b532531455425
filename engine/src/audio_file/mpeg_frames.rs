//! Finds the frames of MPEG audio, whatever lies between them.
//!
//! Source: ISO/IEC 11172-3 and 13818-3, section 2.4.1.3 (the header).

use std::io::{self, Seek, SeekFrom};

use nanomp3::VbrTag;

use super::byte_range::{ByteRange, read_full};
use super::tags::tag_len;

/// Delay of the decoder in samples, which every LAME-style delay leaves out.
const DECODER_DELAY: u64 = 529;
const WINDOW_BYTES: usize = 64 << 10;
/// The window is refilled below this.
const LOOK_AHEAD_BYTES: usize = 32 << 10;
/// Frames in a row that make a header credible.
const FRAMES_IN_A_ROW: usize = 3;
const HEADER_BYTES: usize = 4;

/// A frame in the window of [`Frames`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    /// Position and size in the window.
    start: usize,
    len: usize,
    /// Bytes in front of the frame that are neither a frame nor a tag.
    pub gap: u64,
    /// Whether the gap contains the header of a frame of this kind.
    pub is_gap_audio: bool,
    pub sample_rate_hz: u32,
    pub channels: usize,
    pub samples: usize,
    pub tag: Option<Tag>,
}

/// A Xing, Info or VBRI tag, which has a frame of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tag {
    pub frames: Option<u64>,
    /// Samples of delay and padding, for this decoder.
    pub delay: u64,
    pub padding: u64,
}

/// Finds the frames of a file through a window of bounded size.
pub(super) struct Frames {
    source: ByteRange,
    window: Vec<u8>,
    /// The unread part of the window.
    start: usize,
    end: usize,
    at_end: bool,
    /// Bytes since the last frame that are neither a frame nor a tag.
    gap: u64,
    /// The first header in the gap, of a frame that is damaged.
    in_gap: Option<Header>,
    /// The header of the last frame.
    last: Option<Header>,
    /// Whether the file ends within a frame.
    cut: bool,
}

impl Frames {
    pub fn new(source: ByteRange) -> io::Result<Self> {
        let window = vec![0; WINDOW_BYTES];
        let mut frames = Self {
            source,
            window,
            start: 0,
            end: 0,
            at_end: false,
            gap: 0,
            in_gap: None,
            last: None,
            cut: false,
        };
        frames.rewind()?;
        Ok(frames)
    }

    /// Returns to the first frame.
    pub fn rewind(&mut self) -> io::Result<()> {
        self.source.seek(SeekFrom::Start(0))?;
        (self.start, self.end, self.at_end, self.gap) = (0, 0, false, 0);
        (self.in_gap, self.last) = (None, None);
        Ok(())
    }

    /// Bytes since the last frame that are neither a frame nor a tag.
    pub fn gap(&self) -> u64 {
        self.gap
    }

    /// Whether the file ends within a frame. Valid after the last frame.
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// The bytes of the frame that [`Self::next`] returned last.
    pub fn bytes(&self, frame: &Frame) -> &[u8] {
        &self.window[frame.start..frame.start + frame.len]
    }

    /// The next frame, or `None` at the end.
    pub fn next(&mut self) -> io::Result<Option<Frame>> {
        loop {
            self.refill()?;
            let window = &self.window[self.start..self.end];
            if window.is_empty() {
                return Ok(None);
            }
            let tag = tag_len(window);
            if tag > 0 {
                self.skip(tag)?;
                continue;
            }
            match self.header() {
                Some(header) => return Ok(Some(self.take(header))),
                None => {
                    let begun = Header::parse(window);
                    self.in_gap = self.in_gap.or(begun);
                    let continued = self.last.zip(begun);
                    self.cut |= continued.is_some_and(|(last, next)| next.is_like(last));
                    self.gap += 1;
                    self.start += 1;
                    self.last = None;
                }
            }
        }
    }

    /// The header at the start of the window, if a frame begins there. A header alone is only four
    /// bytes, so others must follow, unless the frame continues the previous ones.
    fn header(&self) -> Option<Header> {
        let window = &self.window[self.start..self.end];
        let first = Header::parse(window).filter(|header| header.bytes <= window.len())?;
        if self.last.is_some_and(|last| last.is_like(first)) {
            return Some(first);
        }
        let mut position = first.bytes;
        for _ in 1..FRAMES_IN_A_ROW {
            let rest = &window[position.min(window.len())..];
            if rest.len() < HEADER_BYTES || tag_len(rest) > 0 {
                break;
            }
            let next = Header::parse(rest).filter(|next| next.is_like(first))?;
            position += next.bytes;
        }
        Some(first)
    }

    fn take(&mut self, header: Header) -> Frame {
        let (start, len) = (self.start, header.bytes);
        let frame = Frame {
            start,
            len,
            gap: self.gap,
            is_gap_audio: self.in_gap.is_some_and(|found| found.is_like(header)),
            sample_rate_hz: header.sample_rate_hz,
            channels: header.channels,
            samples: header.samples,
            tag: Tag::parse(&self.window[start..start + len]),
        };
        (self.start, self.gap, self.in_gap) = (start + len, 0, None);
        self.last = Some(header);
        frame
    }

    fn refill(&mut self) -> io::Result<()> {
        if self.at_end || self.end - self.start >= LOOK_AHEAD_BYTES {
            return Ok(());
        }
        self.window.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        let read = read_full(&mut self.source, &mut self.window[self.end..])?;
        self.at_end = self.end + read < WINDOW_BYTES;
        self.end += read;
        Ok(())
    }

    /// Skips bytes, which may reach beyond the window.
    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        let inside = (self.end - self.start) as u64;
        if bytes <= inside {
            self.start += bytes as usize;
            return Ok(());
        }
        self.source.seek(SeekFrom::Current((bytes - inside) as i64))?;
        (self.start, self.end) = (0, 0);
        Ok(())
    }
}

/// The header of a frame. Frames of free format have no size in it and are not supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    /// Version and layer, as coded.
    kind: u8,
    sample_rate_hz: u32,
    channels: usize,
    /// Samples per channel.
    samples: usize,
    /// Size of the frame with its header.
    bytes: usize,
}

impl Header {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (&[sync, kind, rates, mode], _) = bytes.split_first_chunk::<HEADER_BYTES>()?;
        let (version, layer) = (kind >> 3 & 3, 4 - usize::from(kind >> 1 & 3));
        if sync != 0xff || kind & 0xe0 != 0xe0 || version == 1 || layer == 4 {
            return None;
        }
        let is_mpeg1 = version == 3;
        let kbps = kbps(is_mpeg1, layer, usize::from(rates >> 4))?;
        let rate_hz = *[44_100, 48_000, 32_000].get(usize::from(rates >> 2 & 3))?;
        // MPEG-2 has half the rates, MPEG-2.5 a quarter.
        let sample_rate_hz = rate_hz >> [2, 0, 1, 0][usize::from(version)];
        let samples = match layer {
            1 => 384,
            3 if !is_mpeg1 => 576,
            _ => 1152,
        };
        // Layer I counts in slots of four bytes.
        let slot = if layer == 1 { 4 } else { 1 };
        let slots = samples as u32 / 8 * kbps * 1000 / sample_rate_hz / slot;
        let bytes = (slots + u32::from(rates >> 1 & 1)) * slot;
        Some(Self {
            kind: kind & 0x1e,
            sample_rate_hz,
            channels: if mode >> 6 == 3 { 1 } else { 2 },
            samples,
            bytes: bytes as usize,
        })
    }

    /// Whether both can belong to one stream. Bit rate and channels may change.
    fn is_like(self, other: Self) -> bool {
        self.kind == other.kind && self.sample_rate_hz == other.sample_rate_hz
    }
}

/// Bit rate in kbit/s by version, layer and index. `None` for free format and the invalid index.
fn kbps(is_mpeg1: bool, layer: usize, index: usize) -> Option<u32> {
    const KBPS: [[u32; 14]; 5] = [
        [32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
        [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
        [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
        [32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
        [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
    ];
    let row = match (is_mpeg1, layer) {
        (true, layer) => layer - 1,
        (false, 1) => 3,
        (false, _) => 4,
    };
    KBPS[row].get(index.checked_sub(1)?).copied()
}

impl Tag {
    fn parse(frame: &[u8]) -> Option<Self> {
        if let Some(tag) = VbrTag::parse(frame) {
            let (delay, padding) = tag.encoder_delay_padding.map_or((0, 0), |(delay, padding)| {
                let padding = u64::from(padding).saturating_sub(DECODER_DELAY);
                (u64::from(delay) + DECODER_DELAY, padding)
            });
            return Some(Self { frames: tag.frames.map(u64::from), delay, padding });
        }
        // The tag of Fraunhofer's encoder is 32 bytes after the frame's header.
        let vbri = frame.get(36..36 + 18).filter(|bytes| bytes.starts_with(b"VBRI"))?;
        let frames = u32::from_be_bytes([vbri[14], vbri[15], vbri[16], vbri[17]]);
        Some(Self { frames: Some(frames.into()), delay: 0, padding: 0 })
    }
}

/// Whether `bytes` start with three frames of free format. Their headers contain no size, but they
/// are at equal distances, apart from the padding of one slot.
pub(super) fn is_free_format(bytes: &[u8]) -> bool {
    /// Distance of the second header, which is a guess.
    const FRAME_BYTES: std::ops::Range<usize> = 24..4096;
    const SLOT_BYTES: usize = 4;
    let Some((&[sync, kind, rates, _], _)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return false;
    };
    // The same header with a bit rate.
    let with_rate = [sync, kind, rates & 0x0f | 0x10, 0];
    if rates & 0xf0 != 0 || Header::parse(&with_rate).is_none() {
        return false;
    }
    let is_like = |position: usize| {
        let head = [sync, kind, rates & 0xfc];
        bytes.get(position..position + 3).is_some_and(|b| [b[0], b[1], b[2] & 0xfc] == head)
    };
    FRAME_BYTES.filter(|&len| is_like(len)).any(|len| {
        let third = 2 * len;
        (third - SLOT_BYTES..=third + SLOT_BYTES).any(is_like)
    })
}

/// Whether MPEG frames follow each other in `bytes`, possibly after other bytes.
pub(super) fn has_frame(bytes: &[u8]) -> bool {
    let len = bytes.len() as u64;
    let source = Box::new(io::Cursor::new(bytes.to_vec()));
    let frames = ByteRange::new(source, 0..len).and_then(Frames::new);
    frames.is_ok_and(|mut frames| matches!(frames.next(), Ok(Some(_))))
}
