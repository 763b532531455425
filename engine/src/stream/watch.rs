//! How far a render on several threads is, and how it is called off, while its threads compute.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::Result;
use crate::cancel::Cancel;

/// Told by every stream after every piece: what waits for a whole span would stand still for
/// seconds.
pub(super) struct Watch {
    cancel: Cancel,
    /// Samples that each stream has passed.
    passed: Vec<AtomicU64>,
    /// The most that was told.
    most: Mutex<u64>,
    told: Box<dyn Fn(u64) + Send + Sync>,
}

impl Watch {
    /// For so many streams; `told` hears, on any of their threads, how many samples all of them
    /// have passed.
    pub fn new(streams: usize, cancel: Cancel, told: impl Fn(u64) + Send + Sync + 'static) -> Self {
        Self {
            cancel,
            passed: (0..streams).map(|_| AtomicU64::new(0)).collect(),
            most: Mutex::new(0),
            told: Box::new(told),
        }
    }

    /// Tells where a stream is; [`crate::Error::Cancelled`] where it should stop.
    pub fn pass(&self, stream: u64, samples: u64) -> Result<()> {
        let mut most = self.most.lock();
        self.passed[stream as usize].store(samples, Ordering::Relaxed);
        let all =
            self.passed.iter().map(|passed| passed.load(Ordering::Relaxed)).min().unwrap_or(0);
        if all > *most {
            *most = all;
            (self.told)(all);
        }
        self.cancel.check()
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("cancel", &self.cancel)
            .field("passed", &self.passed)
            .finish_non_exhaustive()
    }
}
