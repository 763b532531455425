//! The model of one instance and its loading state.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use engine::Result;
use engine::cancel::Cancel;
use parking_lot::{Condvar, Mutex};

use crate::plugin_model::PluginModel;

/// Interval at which a waiting thread checks for cancellation.
const POLL: Duration = Duration::from_millis(5);

/// Loading state of a model.
#[derive(Clone)]
pub enum ModelState {
    /// The loader loads it now or will load it.
    Loading,
    /// The model is in use.
    Ready(Arc<PluginModel>),
    /// There is no model, so windows play dry.
    Missing,
}

/// The model of one instance. Its methods lock, so the audio thread must not call them.
pub struct ModelSlot {
    state: Mutex<ModelState>,
    changed: Condvar,
    generation: AtomicU64,
}

impl Default for ModelSlot {
    fn default() -> Self {
        let state = Mutex::new(ModelState::Loading);
        Self { state, changed: Condvar::new(), generation: AtomicU64::new(1) }
    }
}

impl ModelSlot {
    /// The generation and the state.
    pub fn get(&self) -> (u64, ModelState) {
        let state = self.state.lock();
        (self.generation.load(Ordering::Acquire), state.clone())
    }

    /// A counter that increases with every change of the state. It is never 0.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Sets the state.
    pub fn set(&self, state: ModelState) {
        *self.state.lock() = state;
        self.generation.fetch_add(1, Ordering::Release);
        self.changed.notify_all();
    }

    /// Waits until the loader has finished.
    ///
    /// # Errors
    /// If `cancel` is set.
    pub fn wait(&self, cancel: &Cancel) -> Result<()> {
        let mut state = self.state.lock();
        while matches!(*state, ModelState::Loading) {
            cancel.check()?;
            self.changed.wait_for(&mut state, POLL);
        }
        Ok(())
    }

    /// Waits until the loader has finished, at most until `end`.
    pub fn wait_until(&self, end: Instant) {
        let mut state = self.state.lock();
        while matches!(*state, ModelState::Loading) {
            if self.changed.wait_until(&mut state, end).timed_out() {
                return;
            }
        }
    }
}
