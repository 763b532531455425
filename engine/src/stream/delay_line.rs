//! The delay line of the dry signal.

/// A ring of the last samples of every channel, read by absolute position.
#[derive(Debug)]
pub struct DelayLine {
    channels: Vec<Vec<f32>>,
    written: u64,
}

impl DelayLine {
    /// Keeps the last `capacity_samples` of each of `channels`.
    pub fn new(channels: usize, capacity_samples: usize) -> Self {
        Self { channels: vec![vec![0.0; capacity_samples.max(1)]; channels], written: 0 }
    }

    /// Empties the line without clearing its memory. Positions before the next sample read as
    /// silence.
    pub fn reset(&mut self) {
        self.written = 0;
    }

    /// Appends one block, `channels` x equally many samples.
    pub fn write(&mut self, block: &[Vec<f32>]) {
        let Some(len) = block.first().map(Vec::len) else { return };
        for (ring, samples) in self.channels.iter_mut().zip(block) {
            let start = (self.written % ring.len() as u64) as usize;
            let first = len.min(ring.len() - start);
            ring[start..start + first].copy_from_slice(&samples[..first]);
            ring[..len - first].copy_from_slice(&samples[first..]);
        }
        self.written += len as u64;
    }

    /// `len` samples from `position` on, as two parts of the ring.
    pub fn slices(&self, channel: usize, position: u64, len: usize) -> (&[f32], &[f32]) {
        let ring = &self.channels[channel];
        let start = (position % ring.len() as u64) as usize;
        let first = len.min(ring.len() - start);
        (&ring[start..start + first], &ring[..len - first])
    }

    /// Copies the samples from `position` on; silence before the stream's start.
    pub fn read(&self, channel: usize, position: i64, out: &mut [f32]) {
        debug_assert!(position + out.len() as i64 <= self.written as i64, "not yet written");
        let silent = (-position).clamp(0, out.len() as i64) as usize;
        let (before, out) = out.split_at_mut(silent);
        before.fill(0.0);
        let (head, tail) = self.slices(channel, position.max(0) as u64, out.len());
        out[..head.len()].copy_from_slice(head);
        out[head.len()..].copy_from_slice(tail);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_was_written_across_the_seam() {
        let mut line = DelayLine::new(1, 10);
        let mut out = [0.0; 6];
        for block in 0..7u8 {
            let samples: Vec<f32> = (0..3).map(|i| f32::from(block * 3 + i)).collect();
            line.write(&[samples]);
            let first = i64::from(block) * 3 - 3;
            line.read(0, first, &mut out);
            let expected = (first..first + 6).map(|n| n.max(0) as f32);
            assert!(out.iter().copied().eq(expected), "{out:?}");
        }
        line.reset();
        line.write(&[vec![5.0]]);
        line.read(0, -5, &mut out);
        assert_eq!(out, [0.0, 0.0, 0.0, 0.0, 0.0, 5.0]);
    }
}
