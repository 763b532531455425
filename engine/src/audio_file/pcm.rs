//! Uncompressed samples and ADPCM blocks of a file, decoded by symphonia.

use std::io::Read;
use std::ops::Range;

use symphonia::core::audio::Channels;
use symphonia::core::codecs::audio::well_known::*;
use symphonia::core::codecs::audio::{
    AudioCodecId, AudioCodecParameters, AudioDecoder, AudioDecoderOptions,
};
use symphonia::core::io::MediaSource;
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, Timestamp};

use super::block_source::{Block, BlockSource, require_mono_or_stereo};
use super::byte_range::ByteRange;

/// Frames that are decoded at a time, at least one block.
const PACKET_FRAMES: u64 = 1152;

/// The samples of a file: where they are and how they are coded.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PcmLayout {
    pub codec: AudioCodecId,
    pub sample_rate_hz: u32,
    pub channels: u16,
    /// Bytes of a block: one frame, or a compressed block of several frames.
    pub block_bytes: u64,
    pub frames_per_block: u64,
    /// The range of the samples in the file.
    pub data: Range<u64>,
}

/// Order of the bytes of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endian {
    Little,
    Big,
}

/// The codec of signed integers of `bytes` bytes. `None` if there is none.
pub(super) fn integers(bytes: u64, endian: Endian) -> Option<AudioCodecId> {
    Some(match (bytes, endian) {
        (1, _) => CODEC_ID_PCM_S8,
        (2, Endian::Little) => CODEC_ID_PCM_S16LE,
        (2, Endian::Big) => CODEC_ID_PCM_S16BE,
        (3, Endian::Little) => CODEC_ID_PCM_S24LE,
        (3, Endian::Big) => CODEC_ID_PCM_S24BE,
        (4, Endian::Little) => CODEC_ID_PCM_S32LE,
        (4, Endian::Big) => CODEC_ID_PCM_S32BE,
        _ => return None,
    })
}

/// The codec of floats of `bytes` bytes. `None` if there is none.
pub(super) fn floats(bytes: u64, endian: Endian) -> Option<AudioCodecId> {
    Some(match (bytes, endian) {
        (4, Endian::Little) => CODEC_ID_PCM_F32LE,
        (4, Endian::Big) => CODEC_ID_PCM_F32BE,
        (8, Endian::Little) => CODEC_ID_PCM_F64LE,
        (8, Endian::Big) => CODEC_ID_PCM_F64BE,
        _ => return None,
    })
}

impl PcmLayout {
    /// Complete frames in a number of bytes.
    pub fn frames_in(&self, bytes: u64) -> u64 {
        bytes / self.block_bytes * self.frames_per_block
    }

    /// The duration of a number of bytes, as text.
    pub fn seconds_in(&self, bytes: u64) -> String {
        format!("{:.2} s", self.frames_in(bytes) as f64 / f64::from(self.sample_rate_hz.max(1)))
    }
}

/// Reads the samples in a layout.
pub(super) struct PcmSource {
    bytes: ByteRange,
    layout: PcmLayout,
    decoder: Box<dyn AudioDecoder>,
    blocks_left: u64,
    warnings: Vec<String>,
}

impl PcmSource {
    /// Opens the samples. `warnings` are the findings about the file's header.
    pub fn open(
        source: Box<dyn MediaSource>,
        layout: PcmLayout,
        warnings: Vec<String>,
    ) -> Result<Self, String> {
        // The decoder's memory grows with the channels, so they are refused before it exists.
        require_mono_or_stereo(layout.channels.into())?;
        let mut parameters = AudioCodecParameters::new();
        parameters
            .for_codec(layout.codec)
            .with_sample_rate(layout.sample_rate_hz)
            .with_channels(Channels::Discrete(layout.channels))
            .with_max_frames_per_packet(PACKET_FRAMES.max(layout.frames_per_block))
            .with_frames_per_block(layout.frames_per_block);
        let decoder = symphonia::default::get_codecs()
            .make_audio_decoder(&parameters, &AudioDecoderOptions::default())
            .map_err(|error| format!("expected decodable samples, found an error: {error}"))?;
        let blocks_left = (layout.data.end - layout.data.start) / layout.block_bytes;
        let bytes = ByteRange::new(source, layout.data.clone()).map_err(|e| e.to_string())?;
        Ok(Self { bytes, layout, decoder, blocks_left, warnings })
    }
}

impl BlockSource for PcmSource {
    fn frames(&self) -> Option<u64> {
        Some(self.layout.frames_in(self.bytes.len()))
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn next_block(&mut self) -> Result<Option<Block>, String> {
        let blocks = (PACKET_FRAMES / self.layout.frames_per_block).max(1).min(self.blocks_left);
        if blocks == 0 {
            return Ok(None);
        }
        let mut data = vec![0; (blocks * self.layout.block_bytes) as usize];
        self.bytes.read_exact(&mut data).map_err(|error| error.to_string())?;
        self.blocks_left -= blocks;
        let frames = Duration::from(blocks * self.layout.frames_per_block);
        let packet = Packet::new(0, Timestamp::ZERO, frames, data);
        let samples = self.decoder.decode(&packet).map_err(|error| error.to_string())?;
        Ok(Some(Block::from_samples(&samples)))
    }
}
