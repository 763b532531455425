//! What a stream is opened with.

use super::grid::Grid;
use super::latency::latency_samples;

/// What a stream is opened with.
#[derive(Clone, Debug)]
pub struct StreamConfig {
    /// Where windows lie.
    pub grid: Grid,
    /// Channels of the main signal, 1 or 2.
    pub channels: usize,
    /// Whether a sidechain (of equally many channels) is collected too.
    pub sidechain: bool,
    /// What the worker may take for a window, in host samples; part of the latency. 0 where the
    /// caller always waits.
    pub deadline_samples: u64,
}

impl StreamConfig {
    /// Host samples from input to output.
    pub fn latency_samples(&self) -> u64 {
        latency_samples(&self.grid, self.deadline_samples)
    }

    /// How many jobs travel: one collects for a hop, is computed for at most a deadline, waits
    /// as long at most, plays for a hop and an overlap; three more bridge a worker that falls
    /// behind.
    pub(super) fn jobs(&self) -> usize {
        let hop = self.grid.hop_samples();
        let journey = 2 * hop + self.grid.fade_samples() + 2 * self.deadline_samples;
        journey.div_ceil(hop) as usize + 3
    }
}
