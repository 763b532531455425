//! A decoder of one container: blocks of samples, before [`Reader`](super::Reader) validates them.

use symphonia::core::audio::GenericAudioBufferRef;

/// Decoded samples.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub sample_rate_hz: u32,
    /// One vector per channel, of equal length; full scale is 1.
    pub channels: Vec<Vec<f32>>,
}

impl Block {
    /// Copies a buffer of symphonia.
    pub fn from_samples(samples: &GenericAudioBufferRef<'_>) -> Self {
        let mut channels = Vec::new();
        samples.copy_to_vecs_planar(&mut channels);
        Self { sample_rate_hz: samples.spec().rate(), channels }
    }

    /// Number of frames.
    pub fn frames(&self) -> usize {
        self.channels.first().map_or(0, Vec::len)
    }
}

/// The part of a decoder's output that is music: without the encoder's delay and padding.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trim {
    /// Frames that are still to be dropped.
    pub skip: u64,
    /// Frames after them that are still to be returned.
    pub left: u64,
}

impl Trim {
    /// Drops `skip` frames and keeps all others.
    pub fn start(skip: u64) -> Self {
        Self { skip, left: u64::MAX }
    }

    /// Trims the next block.
    pub fn apply(&mut self, block: &mut Block) {
        let frames = block.frames() as u64;
        let skipped = self.skip.min(frames);
        let kept = self.left.min(frames - skipped);
        (self.skip, self.left) = (self.skip - skipped, self.left - kept);
        for channel in &mut block.channels {
            channel.drain(..skipped as usize);
            channel.truncate(kept as usize);
        }
    }
}

/// Refuses any other number of channels.
pub(super) fn require_mono_or_stereo(channels: usize) -> Result<(), String> {
    match channels {
        1 | 2 => Ok(()),
        _ => Err(format!("expected mono or stereo, found {channels} channels")),
    }
}

/// A warning about a header that declares another number of frames.
pub(super) fn promise(promised: u64, held: u64, rate_hz: u32) -> String {
    let seconds = |frames: u64| frames as f64 / f64::from(rate_hz.max(1));
    let text = format!(
        "the header promises {:.2} s, the file holds {:.2} s",
        seconds(promised),
        seconds(held)
    );
    // The difference may be too small for the digits.
    format!("{text} ({held} of {promised} samples)")
}

/// A warning about bytes after the declared length, which is a time as text.
pub(super) fn unused(promised: &str, bytes: u64) -> String {
    format!("the header promises {promised}; {bytes} bytes after it are not used")
}

/// Decodes a file block by block. Errors are the reason alone; the reader adds file and position.
pub(super) trait BlockSource: Send {
    /// The number of frames, if it is known. The end of the file decides.
    fn frames(&self) -> Option<u64>;

    /// What was wrong in the part of the file that was read so far, and did not stop the decoder.
    fn warnings(&self) -> &[String];

    /// The next block, which may be empty. `None` at the end.
    fn next_block(&mut self) -> Result<Option<Block>, String>;
}
