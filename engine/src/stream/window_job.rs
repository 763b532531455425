//! One window's samples and wet audio, in reused buffers.

use std::ops::Range;
use std::time::Instant;

use super::grid::Grid;
use super::timings::Timings;
use crate::settings::Settings;

/// The input of the worker for one window.
#[derive(Debug)]
pub struct WindowInput {
    /// The window's index since the stream's reset.
    pub index: u64,
    /// Host position (samples since reset) of the first new sample.
    pub first_sample: u64,
    /// The new samples since the previous window: channels x samples, at the host's rate, all
    /// finite.
    pub main: Vec<Vec<f32>>,
    /// The sidechain's samples, of the same shape. No channels without a sidechain.
    pub sidechain: Vec<Vec<f32>>,
    /// Whether any sidechain sample of this window is not 0. Hosts send zeros for unconnected
    /// inputs.
    pub has_sidechain_signal: bool,
    /// Host positions of the wet samples that the window must produce.
    pub segment: Range<u64>,
    /// The settings at the window's completion.
    pub settings: Settings,
    /// Whether the caller waits for this window without a time limit (an offline render).
    pub offline: bool,
}

impl WindowInput {
    /// Number of new samples.
    pub fn len(&self) -> usize {
        self.main.first().map_or(0, Vec::len)
    }

    /// Whether there are no new samples.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The worker's output for one window.
#[derive(Debug)]
pub struct WindowOutput {
    /// The wet segment: channels x `segment.len()` samples at the host's rate.
    pub wet: Vec<Vec<f32>>,
    /// Computation time of each stage.
    pub timings: Timings,
    /// Set if there is no wet audio without an error. The window's output is then dry.
    pub dry: bool,
}

/// The result of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Not processed yet.
    Pending,
    /// Wet audio is available.
    Wet,
    /// There is no wet audio, without an error.
    Dry,
    /// The processor returned an error or panicked. The output is dry.
    Failed,
    /// The window was too late, the stream was reset, or the work was cancelled.
    Skipped,
}

/// One window's buffers for both directions. Allocated when the stream opens, freed when it closes.
#[derive(Debug)]
pub(super) struct WindowJob {
    /// The stream's number of resets when the window began.
    pub epoch: u64,
    /// Deadline of the worker.
    pub due: Instant,
    /// Input of the worker.
    pub input: WindowInput,
    /// Output of the worker.
    pub output: WindowOutput,
    /// Correlation of the wet audio with that of the previous window, in their overlap.
    pub rho: f32,
    /// The result.
    pub outcome: Outcome,
}

/// `channels` empty buffers with space for `capacity` samples. The memory is written here, so that
/// the audio thread never waits for its pages.
pub(super) fn buffers(channels: usize, capacity: usize) -> Vec<Vec<f32>> {
    let buffer = || {
        let mut samples = Vec::with_capacity(capacity);
        samples.resize(capacity, 0.0);
        samples.clear();
        samples
    };
    (0..channels).map(|_| buffer()).collect()
}

impl WindowJob {
    /// An empty job with space for the largest window of `grid`.
    pub fn new(grid: &Grid, channels: usize, sidechain_channels: usize) -> Self {
        let input = WindowInput {
            index: 0,
            first_sample: 0,
            main: buffers(channels, grid.max_input_samples()),
            sidechain: buffers(sidechain_channels, grid.max_input_samples()),
            has_sidechain_signal: false,
            segment: 0..0,
            settings: Settings::default(),
            offline: false,
        };
        let wet = buffers(channels, grid.max_segment_samples());
        let output = WindowOutput { wet, timings: Timings::default(), dry: false };
        Self { epoch: 0, due: Instant::now(), input, output, rho: 1.0, outcome: Outcome::Pending }
    }

    /// Prepares the job for window `index`, with the first new sample `first_sample`.
    pub fn begin(&mut self, epoch: u64, index: u64, first_sample: u64, segment: Range<u64>) {
        self.epoch = epoch;
        self.outcome = Outcome::Pending;
        let input = &mut self.input;
        (input.index, input.first_sample, input.segment) = (index, first_sample, segment);
        input.has_sidechain_signal = false;
        input.main.iter_mut().chain(&mut input.sidechain).for_each(Vec::clear);
    }
}
