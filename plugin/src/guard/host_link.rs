//! What the guard reaches of an instance past nice-plug: the host's present process mode, and
//! parameters that wait.
//!
//! nice-plug hears of the mode at activation alone, and of a parameter that a host sets while it
//! processes with the next block alone. Hosts change the mode with a block (Ardour's export) and
//! save between blocks that never come.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use nice_plug::params::Params;
use nice_plug::params::internals::ParamPtr;

use crate::params::LuthierParams;
use crate::shared::Shared;

thread_local! {
    /// nice-plug makes the plugin while it makes its wrapper, and hands out the wrapper alone.
    static OFFERED: RefCell<Option<Arc<HostLink>>> = const { RefCell::new(None) };
}

/// The VST3 id that nice-plug gives a parameter: its hash, of 31 bits.
fn vst3_id(id: &str) -> u32 {
    let hash =
        id.bytes().fold(0u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte)));
    hash & !(1 << 31)
}

/// One instance's.
pub struct HostLink {
    /// Keeps what `by_hash` points to.
    params: Arc<LuthierParams>,
    by_hash: HashMap<u32, ParamPtr>,
    shared: Arc<Shared>,
    offline: AtomicBool,
}

impl HostLink {
    /// For an instance that is being made; the guard that has it made on this thread takes it.
    pub fn offer(params: &Arc<LuthierParams>, shared: &Arc<Shared>) -> Arc<Self> {
        let by_hash = params.param_map().into_iter().map(|(id, param, _)| (vst3_id(&id), param));
        let host_link = Arc::new(Self {
            by_hash: by_hash.collect(),
            params: Arc::clone(params),
            shared: Arc::clone(shared),
            offline: AtomicBool::new(false),
        });
        OFFERED.set(Some(Arc::clone(&host_link)));
        host_link
    }

    /// That of the instance which has just been made on this thread.
    pub fn take() -> Option<Arc<Self>> {
        OFFERED.take()
    }

    /// Whether the host renders offline now.
    pub fn is_offline(&self) -> bool {
        self.offline.load(Relaxed)
    }

    /// The host renders offline from now on, or in real time.
    pub fn set_offline(&self, offline: bool) {
        self.offline.store(offline, Relaxed);
    }

    /// Whether the host is to be asked to activate the instance anew; once for every change.
    pub fn restart_is_due(&self) -> bool {
        !self.is_offline() && self.shared.restart.is_due(self.params.latency.value())
    }

    /// Whether there is a parameter of this hash.
    pub fn has(&self, hash: u32) -> bool {
        self.by_hash.contains_key(&hash)
    }

    /// Sets a parameter to a value of 0 to 1.
    pub fn set(&self, hash: u32, normalized: f32) {
        if let Some(param) = self.by_hash.get(&hash) {
            // SAFETY: the parameters live as long as we do.
            unsafe { param._internal_set_normalized_value(normalized) };
        }
    }
}
