//! A link from the guard to its instance, past nice-plug: process mode, pending parameters and
//! restart requests.
//!
//! nice-plug reads the mode only at activation, and a parameter only with the next block. But hosts
//! change the mode with a block (Ardour's export), and save a project without another block.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use nice_plug::params::Params;
use nice_plug::params::internals::ParamPtr;

use crate::params::LuthierParams;
use crate::shared::Shared;

thread_local! {
    /// Passes the link from the plugin to its guard, because nice-plug's wrapper does not expose
    /// the plugin that it creates.
    static OFFERED: RefCell<Option<Arc<HostLink>>> = const { RefCell::new(None) };
}

/// nice-plug's VST3 id of a parameter: a 31-bit hash of its id.
fn vst3_id(id: &str) -> u32 {
    let hash =
        id.bytes().fold(0u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte)));
    hash & !(1 << 31)
}

/// The link to one instance.
pub struct HostLink {
    /// Owns the parameters that `by_hash` points to.
    params: Arc<LuthierParams>,
    by_hash: HashMap<u32, ParamPtr>,
    shared: Arc<Shared>,
    offline: AtomicBool,
}

impl HostLink {
    /// Creates the link of a new instance and offers it to the guard on this thread.
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

    /// Takes the link of the instance that was just created on this thread.
    pub fn take() -> Option<Arc<Self>> {
        OFFERED.take()
    }

    /// Whether the host renders offline.
    pub fn is_offline(&self) -> bool {
        self.offline.load(Relaxed)
    }

    /// Sets whether the host renders offline.
    pub fn set_offline(&self, offline: bool) {
        self.offline.store(offline, Relaxed);
    }

    /// Whether to request a restart from the host. Returns true once for every change.
    pub fn restart_is_due(&self) -> bool {
        !self.is_offline() && self.shared.restart.is_due(self.params.latency.value())
    }

    /// Whether a parameter has this hash.
    pub fn has(&self, hash: u32) -> bool {
        self.by_hash.contains_key(&hash)
    }

    /// Sets a parameter to a value from 0 to 1.
    pub fn set(&self, hash: u32, normalized: f32) {
        if let Some(param) = self.by_hash.get(&hash) {
            // SAFETY: `params` owns the parameter.
            unsafe { param._internal_set_normalized_value(normalized) };
        }
    }
}
