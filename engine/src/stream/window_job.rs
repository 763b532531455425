//! One window's samples and its wet audio, in buffers that travel round and come home.

use std::ops::Range;
use std::time::Instant;

use super::grid::Grid;
use super::timings::Timings;
use crate::settings::Settings;

/// What a window brings to the worker.
#[derive(Debug)]
pub struct WindowInput {
    /// The window's number since the stream's reset.
    pub index: u64,
    /// Host position (samples since reset) of the first new sample.
    pub first_sample: u64,
    /// The samples that are new since the window before: channels x samples, at the host's rate,
    /// all finite.
    pub main: Vec<Vec<f32>>,
    /// The sidechain's samples, of the same shape; no channels where the stream has no sidechain.
    pub sidechain: Vec<Vec<f32>>,
    /// Whether any sidechain sample of this window is not zero (hosts send zeros where nothing is
    /// connected).
    pub sidechain_sounds: bool,
    /// Host positions of the wet samples that the window shall yield.
    pub segment: Range<u64>,
    /// The settings when the window was complete.
    pub settings: Settings,
    /// Whether the caller waits for this window however long it takes (an offline render).
    pub waited_for: bool,
}

impl WindowInput {
    /// How many new samples the window brings.
    pub fn len(&self) -> usize {
        self.main.first().map_or(0, Vec::len)
    }

    /// Whether the window brings nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What the worker makes of a window.
#[derive(Debug)]
pub struct WindowOutput {
    /// The wet segment: channels x `segment.len()` samples at the host's rate.
    pub wet: Vec<Vec<f32>>,
    /// Where the time went.
    pub timings: Timings,
    /// Set where there is nothing wet to play, though nothing has failed: the window plays dry.
    pub dry: bool,
}

/// How a window's journey ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Not processed yet.
    Pending,
    /// The wet audio is there.
    Wet,
    /// There was nothing wet to play.
    Dry,
    /// The processor gave an error or panicked; play dry.
    Failed,
    /// Its time was over, or the stream was reset, before the worker came to it.
    Skipped,
}

/// What travels: one window's buffers for both ways. Allocated when the stream opens, freed when it
/// closes.
#[derive(Debug)]
pub(super) struct WindowJob {
    /// Which life of the stream (counted by resets) the window belongs to.
    pub epoch: u64,
    /// When the worker should be done.
    pub due: Instant,
    /// To the worker.
    pub input: WindowInput,
    /// From the worker.
    pub output: WindowOutput,
    /// Correlation of the wet audio with its predecessor's in their overlap.
    pub rho: f32,
    /// How it ended.
    pub outcome: Outcome,
}

/// `channels` empty buffers with room for `capacity` samples. The memory is touched here, so that
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
    /// An empty job with room for the largest window of `grid`.
    pub fn new(grid: &Grid, channels: usize, sidechain_channels: usize) -> Self {
        let input = WindowInput {
            index: 0,
            first_sample: 0,
            main: buffers(channels, grid.max_input_samples()),
            sidechain: buffers(sidechain_channels, grid.max_input_samples()),
            sidechain_sounds: false,
            segment: 0..0,
            settings: Settings::default(),
            waited_for: false,
        };
        let wet = buffers(channels, grid.max_segment_samples());
        let output = WindowOutput { wet, timings: Timings::default(), dry: false };
        Self { epoch: 0, due: Instant::now(), input, output, rho: 1.0, outcome: Outcome::Pending }
    }

    /// Makes the job ready to collect window `index`, whose first new sample is `first_sample`.
    pub fn begin(&mut self, epoch: u64, index: u64, first_sample: u64, segment: Range<u64>) {
        self.epoch = epoch;
        self.outcome = Outcome::Pending;
        let input = &mut self.input;
        (input.index, input.first_sample, input.segment) = (index, first_sample, segment);
        input.sidechain_sounds = false;
        input.main.iter_mut().chain(&mut input.sidechain).for_each(Vec::clear);
    }
}
