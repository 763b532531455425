//! Recent samples of a stream by absolute position, which a processor keeps between windows.

/// The last samples of every channel.
#[derive(Clone, Debug)]
pub struct History {
    channels: Vec<Vec<f32>>,
    start: u64,
}

impl History {
    /// No samples yet; the next one pushed has position 0.
    pub fn new(channels: usize) -> Self {
        Self { channels: vec![Vec::new(); channels], start: 0 }
    }

    /// Discards all samples. The next sample pushed has `position`.
    pub fn restart(&mut self, position: u64) {
        self.start = position;
        self.channels.iter_mut().for_each(Vec::clear);
    }

    /// The position of the oldest sample kept.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// The position of the next sample to be pushed.
    pub fn end(&self) -> u64 {
        self.start + self.channels.first().map_or(0, Vec::len) as u64
    }

    /// Appends samples, channels x equally many.
    pub fn push<S: AsRef<[f32]>>(&mut self, samples: &[S]) {
        for (channel, new) in self.channels.iter_mut().zip(samples) {
            channel.extend_from_slice(new.as_ref());
        }
    }

    /// The storage of one channel, for appending. All channels must receive equally many samples.
    pub fn channel_mut(&mut self, channel: usize) -> &mut Vec<f32> {
        &mut self.channels[channel]
    }

    /// Discards the samples before `position`.
    pub fn forget_before(&mut self, position: u64) {
        let drop = position.min(self.end()).saturating_sub(self.start);
        for channel in &mut self.channels {
            channel.drain(..drop as usize);
        }
        self.start += drop;
    }

    /// All samples kept of every channel; the first one's position is [`Self::start`].
    pub fn slices(&self) -> Vec<&[f32]> {
        self.channels.iter().map(|channel| &channel[..]).collect()
    }

    /// Writes a channel's samples from `position` on to `out`, with silence before position 0.
    /// `None` if a sample is not kept, or not pushed yet.
    pub fn read(&self, channel: usize, position: i64, out: &mut [f32]) -> Option<()> {
        let silent = (-position).clamp(0, out.len() as i64) as usize;
        let (before, out) = out.split_at_mut(silent);
        before.fill(0.0);
        let from = (position.max(0) as u64).checked_sub(self.start)? as usize;
        if !out.is_empty() {
            out.copy_from_slice(self.channels[channel].get(from..from + out.len())?);
        }
        Some(())
    }
}
