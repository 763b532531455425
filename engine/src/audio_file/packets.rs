//! FLAC, Ogg (Vorbis, Opus), CAF, M4A and AAC, demultiplexed by symphonia. Opus packets are decoded
//! by opus-decoder, all others by symphonia.

use std::io::{self, Seek};

use opus_decoder::OpusDecoder;
use symphonia::core::codecs::audio::well_known::CODEC_ID_OPUS;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, Track, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;

use super::block_source::{Block, BlockSource, Trim, promise, require_mono_or_stereo};
use super::byte_range::ByteRange;
use super::edit_list::EditList;
use super::tags::read_at;

/// Sample rate of decoded Opus.
const OPUS_RATE_HZ: u32 = 48_000;

/// Decodes the packets of the first audio track.
pub(super) struct PacketSource {
    format: Box<dyn FormatReader>,
    decoder: Decoder,
    track_id: u32,
    frames: Option<u64>,
    frames_read: u64,
    trim: Trim,
    rate_hz: u32,
    warnings: Vec<String>,
    /// Whether the end of the file is missing.
    cut: bool,
    ended: bool,
}

enum Decoder {
    Symphonia(Box<dyn AudioDecoder>),
    /// With the output gain of the header (RFC 7845, section 5.1).
    Opus {
        decoder: Box<OpusDecoder>,
        channels: usize,
        gain: f32,
        samples: Vec<f32>,
    },
}

impl PacketSource {
    /// Opens the container. `extension` is a hint for it. The error is the reason.
    pub fn open(mut bytes: ByteRange, extension: &str) -> Result<Self, String> {
        let edits = match extension {
            "m4a" => EditList::read(&mut bytes)?,
            _ => None,
        };
        let cut = extension == "ogg" && !ends_with_last_page(&mut bytes).unwrap_or(true);
        bytes.rewind().map_err(|error| error.to_string())?;
        let mut hint = Hint::new();
        hint.with_extension(extension);
        let stream = MediaSourceStream::new(Box::new(bytes), Default::default());
        let format = symphonia::default::get_probe()
            .probe(&hint, stream, FormatOptions::default(), MetadataOptions::default())
            .map_err(|error| format!("expected a readable header, found an error: {error}"))?;
        let (track, decoder) = start(&*format)?;
        let (track_id, frames) = (track.id, track.num_frames);
        let delay = decoder.delay(track);
        let (mut trim, mut frames) = (Trim::start(delay), frames.map(|n| n.saturating_sub(delay)));
        if let Some(edits) = edits {
            // The edit's length is often rounded to 1 ms; the track's length is exact.
            let rest = frames.map(|frames| frames.saturating_sub(edits.skip));
            frames = edits.frames.into_iter().chain(rest).min();
            trim = Trim { skip: edits.skip, left: frames.unwrap_or(u64::MAX) };
        }
        Ok(Self {
            track_id,
            frames,
            trim,
            decoder,
            format,
            frames_read: 0,
            rate_hz: 0,
            warnings: Vec::new(),
            cut,
            ended: false,
        })
    }

    /// The end of the file, and a warning if more was promised.
    fn end(&mut self) -> Option<Block> {
        if !self.ended {
            match self.frames {
                Some(frames) if frames > self.frames_read => {
                    self.warnings.push(promise(frames, self.frames_read, self.rate_hz));
                }
                _ if self.cut => {
                    let held = self.frames_read as f64 / f64::from(self.rate_hz.max(1));
                    self.warnings.push(format!("the file is cut off; it holds {held:.2} s"));
                }
                _ => {}
            }
        }
        self.ended = true;
        None
    }

    /// Continues with the next stream of a chained Ogg file.
    fn next_stream(&mut self) -> Result<(), String> {
        let (track, decoder) = start(&*self.format)?;
        // The length of all streams together is not known.
        (self.track_id, self.frames) = (track.id, None);
        self.trim = Trim::start(decoder.delay(track));
        self.decoder = decoder;
        Ok(())
    }

    /// Whether all promised frames were read. What follows is not audio.
    fn is_complete(&self) -> bool {
        self.frames.is_some_and(|frames| self.frames_read >= frames)
    }
}

impl BlockSource for PacketSource {
    fn frames(&self) -> Option<u64> {
        self.frames
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn next_block(&mut self) -> Result<Option<Block>, String> {
        loop {
            let packet = match self.format.next_packet() {
                Ok(Some(packet)) if packet.track_id == self.track_id => packet,
                Ok(Some(_)) => continue,
                Ok(None) => return Ok(self.end()),
                Err(SymphoniaError::ResetRequired) => {
                    self.next_stream()?;
                    continue;
                }
                Err(SymphoniaError::IoError(e))
                    if e.kind() == std::io::ErrorKind::UnexpectedEof =>
                {
                    self.cut = true;
                    return Ok(self.end());
                }
                Err(_) if self.is_complete() => return Ok(self.end()),
                Err(error) => return Err(error.to_string()),
            };
            let mut block = match self.decoder.decode(&packet) {
                Ok(block) => block,
                Err(_) if self.is_complete() => return Ok(self.end()),
                Err(error) => return Err(error),
            };
            self.trim.apply(&mut block);
            self.frames_read += block.frames() as u64;
            self.rate_hz = block.sample_rate_hz;
            return Ok(Some(block));
        }
    }
}

/// Whether an Ogg file ends with a complete page that is marked as the last one (RFC 3533). A page
/// has at most 65,307 bytes. symphonia ignores an incomplete page.
fn ends_with_last_page(bytes: &mut ByteRange) -> io::Result<bool> {
    const PAGE_BYTES_MAX: u64 = 65_307;
    let start = bytes.len().saturating_sub(PAGE_BYTES_MAX);
    let mut tail = vec![0; (bytes.len() - start) as usize];
    let read = read_at(bytes, start, &mut tail)?;
    let tail = &tail[..read];
    let Some(position) = tail.windows(4).rposition(|window| window == b"OggS") else {
        return Ok(false);
    };
    let page = &tail[position..];
    let segments = page.get(26).map_or(0, |&count| usize::from(count));
    let Some(sizes) = page.get(27..27 + segments) else { return Ok(false) };
    let len = 27 + segments + sizes.iter().map(|&size| usize::from(size)).sum::<usize>();
    Ok(page[5] & 4 != 0 && len <= page.len())
}

/// The first audio track of the current stream, and its decoder.
fn start(format: &dyn FormatReader) -> Result<(&Track, Decoder), String> {
    let missing = || "expected an audio track, found none".to_string();
    let track = format.default_track(TrackType::Audio).ok_or_else(missing)?;
    let parameters = track.codec_params.as_ref().and_then(|p| p.audio()).ok_or_else(missing)?;
    Ok((track, Decoder::new(parameters)?))
}

impl Decoder {
    fn new(parameters: &AudioCodecParameters) -> Result<Self, String> {
        let channels = parameters.channels.as_ref().map(|channels| channels.count());
        // Before the decoder, whose memory grows with the channels.
        channels.map_or(Ok(()), require_mono_or_stereo)?;
        if parameters.codec == CODEC_ID_OPUS {
            let channels = channels.unwrap_or(0);
            require_mono_or_stereo(channels)?;
            let decoder =
                OpusDecoder::new(OPUS_RATE_HZ, channels).map_err(|error| error.to_string())?;
            let samples = vec![0.0; decoder.max_frame_size_per_channel() * channels];
            let gain = opus_gain(parameters.extra_data.as_deref().unwrap_or_default());
            return Ok(Self::Opus { decoder: Box::new(decoder), channels, gain, samples });
        }
        symphonia::default::get_codecs()
            .make_audio_decoder(parameters, &AudioDecoderOptions::default())
            .map(Self::Symphonia)
            .map_err(|_| "expected a supported codec, found another one".to_string())
    }

    /// Frames at the start that symphonia does not trim.
    fn delay(&self, track: &Track) -> u64 {
        match self {
            Self::Symphonia(_) => 0,
            Self::Opus { .. } => track.delay.unwrap_or(0).into(),
        }
    }

    fn decode(&mut self, packet: &Packet) -> Result<Block, String> {
        match self {
            Self::Symphonia(decoder) => decoder
                .decode(packet)
                .map(|samples| Block::from_samples(&samples))
                .map_err(|error| error.to_string()),
            Self::Opus { decoder, channels, gain, samples } => {
                let frames = decoder
                    .decode_float(&packet.data, samples, false)
                    .map_err(|error| error.to_string())?;
                let start = packet.trim_start.get() as usize;
                let kept = frames.saturating_sub(start + packet.trim_end.get() as usize);
                let channel = |c: usize| {
                    samples[c..].iter().step_by(*channels).skip(start).take(kept).map(|x| x * *gain)
                };
                let channels = (0..*channels).map(|c| channel(c).collect()).collect();
                Ok(Block { sample_rate_hz: OPUS_RATE_HZ, channels })
            }
        }
    }
}

/// The output gain of an Opus header as a factor. The header has decibels as Q7.8 in bytes 16, 17.
fn opus_gain(header: &[u8]) -> f32 {
    let gain = header.get(16..18).map_or([0; 2], |bytes| [bytes[0], bytes[1]]);
    10.0_f32.powf(f32::from(i16::from_le_bytes(gain)) / (256.0 * 20.0))
}
