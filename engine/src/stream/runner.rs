//! The worker's part of one window: whatever the processor does, a job with a clear outcome
//! comes back.

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
    /// The last wet window's number and its samples in the overlap with the next.
    tail: Option<u64>,
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

    /// Gives the job its outcome.
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

    /// Whether the next window begins before a crossfade into this one could end. Who waits for a
    /// window gets it.
    fn too_late(&self, job: &WindowJob) -> bool {
        let (now, k) = (self.status.playing.load(Relaxed), job.input.index);
        let faded_in = now + self.grid.fade_in_samples(k, now);
        !job.input.waited_for && faded_in > self.grid.segment(k + 1).start
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
            // Somebody closes the stream: nobody waits for this window, and it has not failed.
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

    /// Measures the correlation with the window before and keeps the tail for the one after.
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

    /// A processor that panics even here stays as it is; its windows fail one by one.
    fn reset_processor(&mut self) {
        self.tail = None;
        let _ = catch_unwind(AssertUnwindSafe(|| self.processor.reset()));
    }
}

/// A window that is not of the promised shape, or not all numbers, must not be heard.
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
