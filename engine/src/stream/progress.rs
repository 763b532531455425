//! Progress and cancellation of a render on several threads.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::Result;
use crate::cancel::Cancel;

/// Receives the position of every stream after every piece. Reports per span would be seconds
/// apart.
pub(super) struct Progress {
    cancel: Cancel,
    /// Samples that each stream has passed.
    passed: Vec<AtomicU64>,
    /// The largest number of samples reported.
    reported: Mutex<u64>,
    on_progress: Box<dyn Fn(u64) + Send + Sync>,
}

impl Progress {
    /// The progress of `streams` streams. `on_progress` receives, on any thread, the number of
    /// samples that all streams have passed.
    pub fn new(
        streams: usize,
        cancel: Cancel,
        on_progress: impl Fn(u64) + Send + Sync + 'static,
    ) -> Self {
        Self {
            cancel,
            passed: (0..streams).map(|_| AtomicU64::new(0)).collect(),
            reported: Mutex::new(0),
            on_progress: Box::new(on_progress),
        }
    }

    /// Reports the position of a stream.
    ///
    /// # Errors
    /// [`crate::Error::Cancelled`] if the stream should stop.
    pub fn advance(&self, stream: u64, samples: u64) -> Result<()> {
        let mut reported = self.reported.lock();
        self.passed[stream as usize].store(samples, Ordering::Relaxed);
        let all =
            self.passed.iter().map(|passed| passed.load(Ordering::Relaxed)).min().unwrap_or(0);
        if all > *reported {
            *reported = all;
            (self.on_progress)(all);
        }
        self.cancel.check()
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress")
            .field("cancel", &self.cancel)
            .field("passed", &self.passed)
            .finish_non_exhaustive()
    }
}
