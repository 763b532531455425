//! State shared by both threads and the editor: no samples, no locks on the audio thread.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use super::timings::Timings;

/// Counts of windows since the stream was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Windows with wet output.
    pub wet: u64,
    /// Windows that were not ready for their first sample. Their output is dry, entirely or at
    /// first.
    pub late: u64,
    /// Windows with an error or a panic. Their output is dry.
    pub failed: u64,
}

/// State shared by the audio thread, the worker and the editor.
#[derive(Debug, Default)]
pub struct StreamStatus {
    /// Number of resets. Jobs of an earlier epoch are not processed.
    pub(super) epoch: AtomicU64,
    /// The host position of the next output sample. 0 during the initial latency.
    pub(super) output_position: AtomicU64,
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

    /// Counts a failed window and keeps the first reason.
    pub(super) fn record_failure(&self, reason: impl FnOnce() -> String) {
        self.failed.fetch_add(1, Relaxed);
        self.first_error.lock().get_or_insert_with(reason);
    }

    /// Counts a wet window and adds its times.
    pub(super) fn record_wet(&self, timings: &Timings) {
        self.wet.fetch_add(1, Relaxed);
        self.timings.lock().add(timings);
    }
}
