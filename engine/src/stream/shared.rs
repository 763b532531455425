//! The few words that both threads and the editor read: no samples, no locks on the audio thread.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use super::timings::Timings;

/// What the stream has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Windows that came back wet.
    pub wet: u64,
    /// Windows that were not there when their first sample was due (they play dry, wholly or at
    /// first).
    pub late: u64,
    /// Windows whose processing failed or panicked (they play dry).
    pub failed: u64,
}

/// State shared by audio thread, worker and whoever watches.
#[derive(Debug, Default)]
pub struct StreamStatus {
    /// The stream's life, counted by resets: jobs of an earlier one are not worth doing.
    pub(super) epoch: AtomicU64,
    /// The host position that the audio thread plays next (0 before the latency has passed).
    pub(super) playing: AtomicU64,
    /// Whether the worker runs.
    pub(super) worker_alive: AtomicBool,
    pub(super) wet: AtomicU64,
    pub(super) late: AtomicU64,
    pub(super) failed: AtomicU64,
    first_error: Mutex<Option<String>>,
    timings: Mutex<Timings>,
}

impl StreamStatus {
    /// The counters.
    pub fn stats(&self) -> Stats {
        Stats {
            wet: self.wet.load(Relaxed),
            late: self.late.load(Relaxed),
            failed: self.failed.load(Relaxed),
        }
    }

    /// The first failure since the stream was opened, as a sentence. Locks: not for the audio
    /// thread.
    pub fn first_error(&self) -> Option<String> {
        self.first_error.lock().clone()
    }

    /// Time per stage, summed over all windows. Locks: not for the audio thread.
    pub fn timings(&self) -> Timings {
        *self.timings.lock()
    }

    /// The worker's failure.
    pub(super) fn record_failure(&self, reason: impl FnOnce() -> String) {
        self.failed.fetch_add(1, Relaxed);
        self.first_error.lock().get_or_insert_with(reason);
    }

    /// The worker's success.
    pub(super) fn record_wet(&self, timings: &Timings) {
        self.wet.fetch_add(1, Relaxed);
        self.timings.lock().add(timings);
    }
}
