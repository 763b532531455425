//! Whether the host should activate the plugin anew.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use crate::params::Latency;

/// Nothing is active.
const INACTIVE: u32 = 0;

/// What an activation has fixed for as long as it lasts, its latency mode and the length of its
/// windows, against what is wanted now. Nothing here locks or allocates.
#[derive(Debug, Default)]
pub struct Restart {
    /// Of the activation; [`INACTIVE`] without one.
    fixed: AtomicU32,
    /// What was wanted when [`Self::is_due`] was last called.
    asked: AtomicU32,
    /// A model has come that has windows of another length.
    window_mismatch: AtomicBool,
}

impl Restart {
    /// An activation begins, in this mode, with the windows of the present model.
    pub fn activated(&self, latency: Latency) {
        let fixed = code(latency, false);
        self.window_mismatch.store(false, Relaxed);
        self.asked.store(fixed, Relaxed);
        self.fixed.store(fixed, Relaxed);
    }

    /// The activation is over: the next one takes what is wanted then.
    pub fn deactivated(&self) {
        self.fixed.store(INACTIVE, Relaxed);
    }

    /// A model has come that cannot play before the next activation.
    pub fn window_mismatch(&self) {
        self.window_mismatch.store(true, Relaxed);
    }

    /// Whether the host is to be asked now, for `latency` is what is wanted; once for every change.
    pub fn is_due(&self, latency: Latency) -> bool {
        let (fixed, wanted) =
            (self.fixed.load(Relaxed), code(latency, self.window_mismatch.load(Relaxed)));
        fixed != INACTIVE && self.asked.swap(wanted, Relaxed) != wanted && wanted != fixed
    }
}

fn code(latency: Latency, window_mismatch: bool) -> u32 {
    (latency as u32 + 1) << 1 | u32::from(window_mismatch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_asked_once_for_every_change() {
        let restart = Restart::default();
        assert!(!restart.is_due(Latency::Live), "nothing is active");
        restart.activated(Latency::Quality);
        assert!(!restart.is_due(Latency::Quality));
        assert!(restart.is_due(Latency::Live));
        assert!(!restart.is_due(Latency::Live), "asked");
        assert!(!restart.is_due(Latency::Quality), "as it is");
        assert!(restart.is_due(Latency::Live));
        restart.window_mismatch();
        assert!(restart.is_due(Latency::Live));
        restart.activated(Latency::Live);
        assert!(!restart.is_due(Latency::Live));
        restart.window_mismatch();
        restart.deactivated();
        assert!(!restart.is_due(Latency::Live));
    }
}
