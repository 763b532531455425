//! MPEG audio (MP3, also layers I and II), frame by frame with nanomp3.
//!
//! symphonia-bundle-mp3 0.6 refuses valid joint stereo (pdeljanov/Symphonia#556) and trusts the
//! frame count of a Xing tag. Here the frames decide: they are counted before the first one is
//! decoded. Every Xing, Info or VBRI tag starts a part of its own, because people join files. The
//! encoder's delay and padding are removed from each part.

use nanomp3::{Decoder, MAX_SAMPLES_PER_FRAME};

use super::block_source::{Block, BlockSource, Trim, promise};
use super::byte_range::ByteRange;
use super::mpeg_frames::{Frame, Frames, Tag};

/// Bytes between two frames that are not reported as damage.
const GAP_BYTES_MAX: u64 = 4;
/// As [`GAP_BYTES_MAX`] before the first and after the last frame, which may be cut off.
const END_GAP_BYTES_MAX: u64 = 4096;

/// Decodes the frames of a range of bytes.
pub(super) struct MpegSource {
    frames: Frames,
    decoder: Decoder,
    parts: Vec<Part>,
    /// Number of parts that were started.
    started: usize,
    /// The music of the current part.
    trim: Trim,
    /// Channels of the output: the largest number of the file. A mono frame fills both.
    channels: usize,
    warnings: Vec<String>,
    samples: Vec<f32>,
}

/// The frames after one tag, or all frames of a file without tags.
#[derive(Debug, Default)]
struct Part {
    tag: Option<Tag>,
    frames: u64,
    samples: u64,
    /// Whether the file ends within a frame of this part.
    is_cut: bool,
}

impl MpegSource {
    /// Counts all frames. The error is the reason.
    pub fn open(bytes: ByteRange) -> Result<Self, String> {
        let mut frames = Frames::new(bytes).map_err(|error| error.to_string())?;
        let mut scan = Scan::default();
        while let Some(frame) = frames.next().map_err(|error| error.to_string())? {
            scan.add(&frame)?;
        }
        let (end_gap, is_cut) = (frames.gap(), frames.is_cut());
        frames.rewind().map_err(|error| error.to_string())?;
        let (channels, rate_hz) = (scan.channels, scan.sample_rate_hz);
        if channels == 0 {
            return Err("expected MPEG audio frames, found none".into());
        }
        if is_cut && let Some(last) = scan.parts.last_mut() {
            last.is_cut = true;
        }
        let mut warnings: Vec<String> =
            scan.parts.iter().filter_map(|part| part.warning(rate_hz)).collect();
        if end_gap > END_GAP_BYTES_MAX {
            scan.gaps.push((scan.samples, end_gap));
        }
        warnings.extend(scan.gaps.iter().map(|(samples, bytes)| {
            let seconds = *samples as f64 / f64::from(rate_hz);
            format!("{bytes} damaged bytes at about {seconds:.2} s are not used")
        }));
        Ok(Self {
            frames,
            decoder: Decoder::new(),
            parts: scan.parts,
            started: 0,
            trim: Trim::start(0),
            channels,
            warnings,
            samples: vec![0.0; MAX_SAMPLES_PER_FRAME],
        })
    }

    fn start_part(&mut self) {
        let part = &self.parts[self.started];
        self.started += 1;
        self.trim = Trim { skip: part.tag.map_or(0, |tag| tag.delay), left: part.music() };
        self.decoder = Decoder::new();
    }

    /// Decodes the current frame into one vector per channel. A frame that cannot be decoded, for
    /// example because it needs data of a missing frame, is silent.
    fn decode(&mut self, frame: &Frame) -> Vec<Vec<f32>> {
        let (_, info) = self.decoder.decode(self.frames.bytes(frame), &mut self.samples);
        let channels = match info {
            Ok(info) if info.samples_produced == frame.samples => info.channels as usize,
            _ => return vec![vec![0.0; frame.samples]; self.channels],
        };
        let interleaved = &self.samples[..frame.samples * channels];
        (0..self.channels)
            .map(|c| interleaved.iter().skip(c.min(channels - 1)).step_by(channels).copied())
            .map(Iterator::collect)
            .collect()
    }
}

impl BlockSource for MpegSource {
    fn frames(&self) -> Option<u64> {
        Some(self.parts.iter().map(Part::music).sum())
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn next_block(&mut self) -> Result<Option<Block>, String> {
        let Some(frame) = self.frames.next().map_err(|error| error.to_string())? else {
            return Ok(None);
        };
        if self.started == 0 || frame.tag.is_some() {
            self.start_part();
        }
        let mut block = Block { sample_rate_hz: frame.sample_rate_hz, channels: Vec::new() };
        if frame.tag.is_none() {
            block.channels = self.decode(&frame);
            self.trim.apply(&mut block);
        }
        Ok(Some(block))
    }
}

/// What a pass over all frames finds.
#[derive(Default)]
struct Scan {
    parts: Vec<Part>,
    channels: usize,
    sample_rate_hz: u32,
    samples: u64,
    /// Positions in samples and sizes in bytes of damaged places.
    gaps: Vec<(u64, u64)>,
}

impl Scan {
    fn add(&mut self, frame: &Frame) -> Result<(), String> {
        if self.sample_rate_hz != 0 && frame.sample_rate_hz != self.sample_rate_hz {
            return Err(format!(
                "expected one format throughout, found {} Hz after {} Hz at {:.2} s",
                frame.sample_rate_hz,
                self.sample_rate_hz,
                self.samples as f64 / f64::from(self.sample_rate_hz)
            ));
        }
        let is_start = self.parts.is_empty() && !frame.is_gap_audio;
        let tolerated = if is_start { END_GAP_BYTES_MAX } else { GAP_BYTES_MAX };
        if frame.gap > tolerated {
            self.gaps.push((self.samples, frame.gap));
        }
        self.sample_rate_hz = frame.sample_rate_hz;
        if self.parts.is_empty() || frame.tag.is_some() {
            self.parts.push(Part { tag: frame.tag, ..Part::default() });
        }
        if frame.tag.is_none() {
            let part = self.parts.last_mut().expect("a part");
            part.frames += 1;
            part.samples += frame.samples as u64;
            self.samples += frame.samples as u64;
            self.channels = self.channels.max(frame.channels);
        }
        Ok(())
    }
}

impl Part {
    /// Whether the tag's number of frames is that of the part. Some encoders count the tag's frame.
    fn is_complete(&self) -> bool {
        let declared = self.tag.and_then(|tag| tag.frames).filter(|&frames| frames > 0);
        !self.is_cut && declared.is_none_or(|declared| declared.abs_diff(self.frames) <= 1)
    }

    /// Samples without delay and padding. An incomplete part ends before its padding.
    fn music(&self) -> u64 {
        let Some(tag) = self.tag else { return self.samples };
        let padding = if self.is_complete() { tag.padding } else { 0 };
        self.samples.saturating_sub(tag.delay + padding)
    }

    fn warning(&self, rate_hz: u32) -> Option<String> {
        if self.is_complete() {
            return None;
        }
        let Some(declared) = self.tag.and_then(|tag| tag.frames) else {
            let held = self.samples as f64 / f64::from(rate_hz);
            return Some(format!("the file is cut off; it holds {held:.2} s"));
        };
        let promised = declared * self.samples / self.frames.max(1);
        Some(promise(promised, self.samples, rate_hz))
    }
}
