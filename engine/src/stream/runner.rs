//! The worker's part of one window: whatever the processor does, a parcel with a clear outcome
//! comes back.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed};

use super::chunk::{Outcome, Parcel};
use super::crossfade::correlation;
use super::grid::Grid;
use super::processor::WindowProcessor;
use super::shared::Status;
use crate::cancel::Cancel;
use crate::{Error, Result};

/// Runs the processor on parcels, one after another.
pub(super) struct Runner {
    processor: Box<dyn WindowProcessor>,
    grid: Grid,
    status: Arc<Status>,
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
        status: Arc<Status>,
        cancel: Cancel,
    ) -> Self {
        let tail_samples = vec![Vec::new(); channels];
        Self { processor, grid, status, cancel, epoch: 0, tail: None, tail_samples }
    }

    /// Gives the parcel its outcome.
    pub fn run(&mut self, parcel: &mut Parcel) {
        if parcel.epoch != self.status.epoch.load(Acquire) {
            parcel.outcome = Outcome::Skipped;
            return;
        }
        if parcel.epoch != self.epoch {
            self.epoch = parcel.epoch;
            self.reset_processor();
        }
        parcel.outcome =
            if self.too_late(parcel) { self.skip(parcel) } else { self.process(parcel) };
    }

    /// Whether the next window begins before a crossfade into this one could end. Who waits for a
    /// window gets it.
    fn too_late(&self, parcel: &Parcel) -> bool {
        let (now, k) = (self.status.playing.load(Relaxed), parcel.input.index);
        let faded_in = now + self.grid.fade_in_samples(k, now);
        !parcel.input.waited_for && faded_in > self.grid.segment(k + 1).start
    }

    fn skip(&mut self, parcel: &Parcel) -> Outcome {
        self.tail = None;
        let skipped = catch_unwind(AssertUnwindSafe(|| self.processor.skip(&parcel.input)));
        if skipped.is_err() {
            self.reset_processor();
        }
        Outcome::Skipped
    }

    fn process(&mut self, parcel: &mut Parcel) -> Outcome {
        let len = (parcel.input.segment.end - parcel.input.segment.start) as usize;
        for channel in &mut parcel.output.wet {
            channel.clear();
            channel.resize(len, 0.0);
        }
        parcel.output.timings = Default::default();
        parcel.output.dry = false;
        let Parcel { input, output, .. } = &mut *parcel;
        let worked =
            catch_unwind(AssertUnwindSafe(|| self.processor.process(input, output, &self.cancel)));
        let result = match worked {
            Ok(result) => result.and_then(|()| check_wet(&parcel.output.wet, len)),
            Err(panic) => {
                self.reset_processor();
                Err(Error::Compute(format!("panic: {}", panic_message(panic.as_ref()))))
            }
        };
        match result {
            Ok(()) if parcel.output.dry => {
                self.tail = None;
                Outcome::Dry
            }
            Ok(()) => {
                self.status.record_wet(&parcel.output.timings);
                self.join(parcel);
                Outcome::Wet
            }
            // Somebody closes the stream: nobody waits for this window, and it has not failed.
            Err(Error::Cancelled) if self.cancel.is_cancelled() => {
                self.tail = None;
                Outcome::Skipped
            }
            Err(error) => {
                self.tail = None;
                self.status.record_failure(|| format!("window {}: {error}", parcel.input.index));
                Outcome::Failed
            }
        }
    }

    /// Measures the correlation with the window before and keeps the tail for the one after.
    fn join(&mut self, parcel: &mut Parcel) {
        let (index, segment) = (parcel.input.index, parcel.input.segment.clone());
        let wet = &parcel.output.wet;
        if index > 0 && self.tail == Some(index - 1) {
            let heads = wet.iter().map(|channel| &channel[..]);
            parcel.rho = correlation(self.tail_samples.iter().map(|tail| &tail[..]).zip(heads));
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
