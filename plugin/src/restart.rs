//! Decides when to request a restart of the plugin from the host.
//!
//! See `docs/decisions/050-restart-requests.md`.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use crate::params::Latency;

/// Code of an inactive plugin.
const INACTIVE: u32 = 0;

/// Compares the latency mode and window length of the activation with the required ones. Its
/// methods do not lock or allocate.
#[derive(Debug, Default)]
pub struct RestartRequest {
    /// Code of the activation, or [`INACTIVE`].
    active: AtomicU32,
    /// Required code at the last call of [`Self::is_due`].
    required: AtomicU32,
    /// Whether the model has windows of another length than the activation.
    window_mismatch: AtomicBool,
}

impl RestartRequest {
    /// Stores the latency mode of a new activation, which uses the windows of the current model.
    pub fn activated(&self, latency: Latency) {
        let active = code(latency, false);
        self.window_mismatch.store(false, Relaxed);
        self.required.store(active, Relaxed);
        self.active.store(active, Relaxed);
    }

    /// Ends the activation.
    pub fn deactivated(&self) {
        self.active.store(INACTIVE, Relaxed);
    }

    /// Reports a model whose windows require a new activation.
    pub fn window_mismatch(&self) {
        self.window_mismatch.store(true, Relaxed);
    }

    /// Whether to request a restart now, for latency mode `latency`. Returns true once for each
    /// change.
    pub fn is_due(&self, latency: Latency) -> bool {
        let (active, required) =
            (self.active.load(Relaxed), code(latency, self.window_mismatch.load(Relaxed)));
        active != INACTIVE
            && self.required.swap(required, Relaxed) != required
            && required != active
    }
}

fn code(latency: Latency, window_mismatch: bool) -> u32 {
    (latency as u32 + 1) << 1 | u32::from(window_mismatch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_is_requested_once_for_every_change() {
        let restart = RestartRequest::default();
        assert!(!restart.is_due(Latency::Live), "not active");
        restart.activated(Latency::Quality);
        assert!(!restart.is_due(Latency::Quality));
        assert!(restart.is_due(Latency::Live));
        assert!(!restart.is_due(Latency::Live), "already requested");
        assert!(!restart.is_due(Latency::Quality), "same as the activation");
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
