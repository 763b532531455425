//! The worker's part of one window: it returns every job with an outcome, also after panics.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed};

use super::crossfade::correlation;
use super::grid::Grid;
use super::processor::WindowProcessor;
use super::shared::StreamStatus;
use super::window_job::{Outcome, WindowJob};
use crate::cancel::Cancel;
use crate::{Error, Result};

/// Runs the processor on jobs, one after another.
pub(super) struct Runner {
    processor: Box<dyn WindowProcessor>,
    grid: Grid,
    status: Arc<StreamStatus>,
    cancel: Cancel,
    epoch: u64,
    /// The index of the last wet window, if the next window can be joined to it.
    tail: Option<u64>,
    /// That window's samples in the overlap with the next.
    tail_samples: Vec<Vec<f32>>,
}

impl Runner {
    pub fn new(
        processor: Box<dyn WindowProcessor>,
        grid: Grid,
        channels: usize,
        status: Arc<StreamStatus>,
        cancel: Cancel,
    ) -> Self {
        let tail_samples = vec![Vec::new(); channels];
        Self { processor, grid, status, cancel, epoch: 0, tail: None, tail_samples }
    }

    /// Processes a job and sets its outcome.
    pub fn run(&mut self, job: &mut WindowJob) {
        if job.epoch != self.status.epoch.load(Acquire) {
            job.outcome = Outcome::Skipped;
            return;
        }
        if job.epoch != self.epoch {
            self.epoch = job.epoch;
            self.reset_processor();
        }
        job.outcome = if self.too_late(job) { self.skip(job) } else { self.process(job) };
    }

    /// Whether the next window begins before a crossfade into this one could end. Never if the
    /// caller waits.
    fn too_late(&self, job: &WindowJob) -> bool {
        let (now, k) = (self.status.output_position.load(Relaxed), job.input.index);
        let faded_in = now + self.grid.fade_in_samples(k, now);
        !job.input.offline && faded_in > self.grid.segment(k + 1).start
    }

    fn skip(&mut self, job: &WindowJob) -> Outcome {
        self.tail = None;
        let skipped = catch_unwind(AssertUnwindSafe(|| self.processor.skip(&job.input)));
        if skipped.is_err() {
            self.reset_processor();
        }
        Outcome::Skipped
    }

    fn process(&mut self, job: &mut WindowJob) -> Outcome {
        let len = (job.input.segment.end - job.input.segment.start) as usize;
        for channel in &mut job.output.wet {
            channel.clear();
            channel.resize(len, 0.0);
        }
        job.output.timings = Default::default();
        job.output.dry = false;
        let WindowJob { input, output, .. } = &mut *job;
        let worked =
            catch_unwind(AssertUnwindSafe(|| self.processor.process(input, output, &self.cancel)));
        let result = match worked {
            Ok(result) => result.and_then(|()| check_wet(&job.output.wet, len)),
            Err(panic) => {
                self.reset_processor();
                Err(Error::Compute(format!("panic: {}", panic_message(panic.as_ref()))))
            }
        };
        match result {
            Ok(()) if job.output.dry => {
                self.tail = None;
                Outcome::Dry
            }
            Ok(()) => {
                self.status.record_wet(&job.output.timings);
                self.join(job);
                Outcome::Wet
            }
            // The stream is being closed: the window has not failed.
            Err(Error::Cancelled) if self.cancel.is_cancelled() => {
                self.tail = None;
                Outcome::Skipped
            }
            Err(error) => {
                self.tail = None;
                self.status.record_failure(|| format!("window {}: {error}", job.input.index));
                Outcome::Failed
            }
        }
    }

    /// Measures the correlation with the previous window and keeps the overlap with the next one.
    fn join(&mut self, job: &mut WindowJob) {
        let (index, segment) = (job.input.index, job.input.segment.clone());
        let wet = &job.output.wet;
        if index > 0 && self.tail == Some(index - 1) {
            let heads = wet.iter().map(|channel| &channel[..]);
            job.rho = correlation(self.tail_samples.iter().map(|tail| &tail[..]).zip(heads));
        }
        let overlap = self.grid.overlap(index + 1);
        let start = (overlap.start - segment.start) as usize;
        for (tail, channel) in self.tail_samples.iter_mut().zip(wet) {
            tail.clear();
            tail.extend_from_slice(&channel[start..]);
        }
        self.tail = Some(index);
    }

    /// If the reset panics too, the processor keeps its state, and its windows fail one by one.
    fn reset_processor(&mut self) {
        self.tail = None;
        let _ = catch_unwind(AssertUnwindSafe(|| self.processor.reset()));
    }
}

/// Rejects wet audio of the wrong shape, or with values that are not finite.
fn check_wet(wet: &[Vec<f32>], len: usize) -> Result<()> {
    for channel in wet {
        if channel.len() != len {
            return Err(Error::Compute(format!(
                "expected {len} wet samples, found {}",
                channel.len()
            )));
        }
        if !channel.iter().all(|sample| sample.is_finite()) {
            return Err(Error::Compute("the wet audio is not finite".into()));
        }
    }
    Ok(())
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
