//! Parameters of a new stream.

use super::grid::Grid;
use super::latency::latency_samples;
use crate::dsp::limiter::Limiter;

/// Parameters of a new stream.
#[derive(Clone, Debug)]
pub struct StreamConfig {
    /// The positions of the windows.
    pub grid: Grid,
    /// Channels of the main signal, 1 or 2.
    pub channels: usize,
    /// Whether the stream has a sidechain, with the same number of channels.
    pub sidechain: bool,
    /// Time for the computation of a window, in host samples. Part of the latency. 0 if the caller
    /// always waits.
    pub deadline_samples: u64,
    /// Whether the stream has a limiter. It takes [`Self::look_ahead_samples`] from the deadline, so
    /// the latency does not change.
    pub limiter: bool,
}

impl StreamConfig {
    /// Host samples from input to output.
    pub fn latency_samples(&self) -> u64 {
        latency_samples(&self.grid, self.deadline_samples)
    }

    /// Host samples that the output is computed before it is due: the delay of the limiter.
    pub fn look_ahead_samples(&self) -> u64 {
        if self.limiter { Limiter::delay_samples(self.grid.host_rate_hz()) as u64 } else { 0 }
    }

    /// Number of jobs in use. A job collects samples for a hop, is computed within a deadline and
    /// waits at most as long. Its output lasts a hop and an overlap. Three more jobs cover a slow
    /// worker.
    pub(super) fn jobs(&self) -> usize {
        let hop = self.grid.hop_samples();
        let cycle = 2 * hop + self.grid.fade_samples() + 2 * self.deadline_samples;
        cycle.div_ceil(hop) as usize + 3
    }
}
