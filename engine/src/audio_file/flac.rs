//! FLAC: flacenc encodes the frames, this module the stream header (RFC 9639, section 8.2). The
//! header is written twice, as a placeholder and complete at the end; see
//! `docs/decisions/009-flac-frames.md`.

use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};

use flacenc::bitsink::ByteSink;
use flacenc::component::{BitRepr, StreamInfo};
use flacenc::config::Encoder;
use flacenc::error::{Verified, Verify};
use flacenc::source::{Context, Fill, FrameBuf};

/// Samples per channel in every frame but the last, the default of the `flac` tool.
const BLOCK: usize = 4096;
const BITS: usize = 24;
/// `fLaC`, the metadata block's header and its 34 bytes.
const HEADER_BYTES: usize = 4 + 4 + 34;
/// Highest sample rate that flacenc accepts. For higher rates, frames are encoded at a rate without
/// a code of its own, so that they refer to the stream header. That header has the true rate.
const CODED_RATE_MAX_HZ: u32 = 96_000;
const UNCODED_RATE_HZ: u32 = 95_999;

pub(super) struct FlacWriter {
    file: BufWriter<File>,
    config: Verified<Encoder>,
    info: StreamInfo,
    sample_rate_hz: u32,
    channels: usize,
    frame: FrameBuf,
    /// MD5 and sample count.
    context: Context,
    /// Interleaved samples that do not fill a frame yet.
    waiting: Vec<i32>,
    frame_bytes: Option<(u32, u32)>,
}

impl FlacWriter {
    pub(super) fn new(
        mut file: BufWriter<File>,
        sample_rate_hz: u32,
        channels: usize,
    ) -> Result<Self, String> {
        let coded_rate_hz =
            if sample_rate_hz <= CODED_RATE_MAX_HZ { sample_rate_hz } else { UNCODED_RATE_HZ };
        let mut info =
            StreamInfo::new(coded_rate_hz as usize, channels, BITS).map_err(|e| e.to_string())?;
        info.set_block_sizes(BLOCK, BLOCK).map_err(|e| e.to_string())?;
        file.write_all(&[0; HEADER_BYTES]).map_err(|e| e.to_string())?;
        Ok(Self {
            file,
            config: Encoder::default().into_verified().map_err(|(_, e)| e.to_string())?,
            info,
            sample_rate_hz,
            channels,
            frame: FrameBuf::with_size(channels, BLOCK).map_err(|e| e.to_string())?,
            context: Context::new(BITS, channels),
            waiting: Vec::with_capacity(2 * BLOCK * channels),
            frame_bytes: None,
        })
    }

    /// Appends interleaved 24-bit samples.
    pub(super) fn push(&mut self, interleaved: &[i32]) -> Result<(), String> {
        self.waiting.extend_from_slice(interleaved);
        let whole = self.waiting.len() / (BLOCK * self.channels) * BLOCK * self.channels;
        let waiting = std::mem::take(&mut self.waiting);
        for block in waiting[..whole].chunks_exact(BLOCK * self.channels) {
            self.write_frame(block)?;
        }
        self.waiting = waiting;
        self.waiting.drain(..whole);
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<(), String> {
        let waiting = std::mem::take(&mut self.waiting);
        if !waiting.is_empty() {
            self.write_frame(&waiting)?;
        }
        let header = self.header();
        self.file.seek(SeekFrom::Start(0)).map_err(|e| e.to_string())?;
        self.file.write_all(&header).map_err(|e| e.to_string())?;
        self.file.flush().map_err(|e| e.to_string())
    }

    fn write_frame(&mut self, block: &[i32]) -> Result<(), String> {
        self.frame.fill_interleaved(block).map_err(|e| e.to_string())?;
        self.context.fill_interleaved(block).map_err(|e| e.to_string())?;
        let number = self.context.current_frame_number().unwrap_or(0);
        let frame = flacenc::encode_fixed_size_frame(&self.config, &self.frame, number, &self.info)
            .map_err(|e| e.to_string())?;
        let mut sink = ByteSink::with_capacity(frame.count_bits());
        frame.write(&mut sink).map_err(|e| e.to_string())?;
        let bytes = sink.as_slice().len() as u32;
        let (least, most) = self.frame_bytes.unwrap_or((bytes, bytes));
        self.frame_bytes = Some((least.min(bytes), most.max(bytes)));
        self.file.write_all(sink.as_slice()).map_err(|e| e.to_string())
    }

    fn header(&self) -> [u8; HEADER_BYTES] {
        let mut header = [0; HEADER_BYTES];
        header[..4].copy_from_slice(b"fLaC");
        header[4] = 0x80; // The last metadata block, of type 0 (STREAMINFO).
        header[7] = 34;
        header[8..10].copy_from_slice(&(BLOCK as u16).to_be_bytes());
        header[10..12].copy_from_slice(&(BLOCK as u16).to_be_bytes());
        let (least, most) = self.frame_bytes.unwrap_or((0, 0));
        header[12..15].copy_from_slice(&least.to_be_bytes()[1..]);
        header[15..18].copy_from_slice(&most.to_be_bytes()[1..]);
        // 20 bits of rate, 3 of channels - 1, 5 of bits - 1, 36 of frames.
        let packed = u64::from(self.sample_rate_hz) << 44
            | (self.channels as u64 - 1) << 41
            | (BITS as u64 - 1) << 36
            | self.context.total_samples() as u64;
        header[18..26].copy_from_slice(&packed.to_be_bytes());
        header[26..].copy_from_slice(&self.context.md5_digest());
        header
    }
}
