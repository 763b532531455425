//! Input stage of the audio thread: collects host blocks into windows and sends complete ones.

use std::time::{Duration, Instant};

use rtrb::Producer;

use super::grid::Grid;
use super::pool::Waker;
use super::window_job::{Outcome, WindowJob};
use crate::settings::Settings;

/// Collects samples into jobs. Does not allocate, lock or wait.
#[derive(Debug)]
pub(super) struct Windower {
    grid: Grid,
    jobs: Producer<WindowJob>,
    waker: Waker,
    /// Time for the computation of a window.
    deadline: Duration,
    /// Unused jobs.
    free: Vec<WindowJob>,
    /// The job that collects window `index`. `None` if no job was free when the window began.
    current: Option<WindowJob>,
    in_flight: usize,
    epoch: u64,
    index: u64,
    arrived: u64,
    settings: Settings,
    offline: bool,
}

impl Windower {
    /// A windower that owns the jobs `free` and sends them through `jobs`, which has space for all.
    pub fn new(
        grid: Grid,
        jobs: Producer<WindowJob>,
        waker: Waker,
        deadline: Duration,
        free: Vec<WindowJob>,
    ) -> Self {
        let settings = Settings::default();
        let mut windower = Self {
            grid,
            jobs,
            waker,
            deadline,
            free,
            current: None,
            in_flight: 0,
            epoch: 0,
            index: 0,
            arrived: 0,
            settings,
            offline: false,
        };
        windower.begin_window(0);
        windower
    }

    /// Sets the settings of the windows completed from now on.
    pub fn set_settings(&mut self, settings: &Settings) {
        self.settings = settings.clone();
    }

    /// Sets whether the caller waits for the windows completed from now on.
    pub fn set_offline(&mut self, offline: bool) {
        self.offline = offline;
    }

    /// Number of jobs that the worker has or has not returned yet.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Counts a returned job, which may still be part of the output.
    pub fn returned(&mut self) {
        self.in_flight -= 1;
    }

    /// Starts a new stream. Jobs in flight belong to the old one.
    pub fn reset(&mut self, epoch: u64) {
        self.epoch = epoch;
        (self.index, self.arrived) = (0, 0);
        self.free.extend(self.current.take());
        self.begin_window(0);
    }

    /// Adds an unused job.
    pub fn recycle(&mut self, job: WindowJob) {
        self.free.push(job);
    }

    /// Appends one block (channels x samples, all finite) and sends every completed window.
    /// `sidechain` is empty or of the same length.
    pub fn push(&mut self, main: &[Vec<f32>], sidechain: &[Vec<f32>]) {
        let len = main.first().map_or(0, Vec::len);
        let mut from = 0;
        while from < len {
            let missing = self.grid.required_samples(self.index) - self.arrived;
            let to = len.min(from + usize::try_from(missing).unwrap_or(usize::MAX));
            if let Some(job) = &mut self.current {
                let input = &mut job.input;
                copy_range(&mut input.main, main, from, to);
                copy_range(&mut input.sidechain, sidechain, from, to);
                input.has_sidechain_signal |=
                    sidechain.iter().any(|c| c[from..to].iter().any(|&x| x != 0.0));
            }
            self.arrived += (to - from) as u64;
            from = to;
            if self.arrived == self.grid.required_samples(self.index) {
                self.send();
            }
        }
    }

    fn send(&mut self) {
        if let Some(mut job) = self.current.take() {
            job.input.settings = self.settings.clone();
            job.input.offline = self.offline;
            job.due = Instant::now() + self.deadline;
            match self.jobs.push(job) {
                Ok(()) => {
                    self.in_flight += 1;
                    if self.offline {
                        self.waker.wake();
                    }
                }
                Err(rtrb::PushError::Full(mut job)) => {
                    job.outcome = Outcome::Skipped;
                    self.free.push(job);
                }
            }
        }
        self.index += 1;
        self.begin_window(self.arrived);
    }

    /// Without a free job the window is lost and counts as late. The worker detects the gap by the
    /// position of the next window.
    fn begin_window(&mut self, first_sample: u64) {
        self.current = self.free.pop();
        if let Some(job) = &mut self.current {
            job.begin(self.epoch, self.index, first_sample, self.grid.segment(self.index));
        }
    }
}

/// Appends `from..to` of every channel, within the capacity. Missing channels are silent.
fn copy_range(into: &mut [Vec<f32>], block: &[Vec<f32>], from: usize, to: usize) {
    for (i, channel) in into.iter_mut().enumerate() {
        debug_assert!(
            channel.len() + to - from <= channel.capacity(),
            "a window exceeds its buffer"
        );
        match block.get(i) {
            Some(samples) => channel.extend_from_slice(&samples[from..to]),
            None => channel.resize(channel.len() + to - from, 0.0),
        }
    }
}
