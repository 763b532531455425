//! Which model an instance plays, and whether it is there yet.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use engine::Result;
use engine::cancel::Cancel;
use parking_lot::{Condvar, Mutex};

use crate::plugin_model::PluginModel;

/// How often somebody who waits looks whether the wait was called off.
const POLL: Duration = Duration::from_millis(5);

/// How far a model has come.
#[derive(Clone)]
pub enum ModelState {
    /// The loader is at it, or will be.
    Loading,
    /// It plays.
    Ready(Arc<PluginModel>),
    /// There is none: windows play dry.
    Missing,
}

/// One instance's model. Locks: not for the audio thread.
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
    /// The state and its generation, which changes with it.
    pub fn get(&self) -> (u64, ModelState) {
        let state = self.state.lock();
        (self.generation.load(Ordering::Acquire), state.clone())
    }

    /// Changes with every change of the state; never 0.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Sets the state.
    pub fn set(&self, state: ModelState) {
        *self.state.lock() = state;
        self.generation.fetch_add(1, Ordering::Release);
        self.changed.notify_all();
    }

    /// Waits until the loader is done.
    ///
    /// # Errors
    /// If the wait is called off.
    pub fn wait(&self, cancel: &Cancel) -> Result<()> {
        let mut state = self.state.lock();
        while matches!(*state, ModelState::Loading) {
            cancel.check()?;
            self.changed.wait_for(&mut state, POLL);
        }
        Ok(())
    }

    /// Waits until the loader is done, but not for ever.
    pub fn wait_until(&self, end: Instant) {
        let mut state = self.state.lock();
        while matches!(*state, ModelState::Loading) {
            if self.changed.wait_until(&mut state, end).timed_out() {
                return;
            }
        }
    }
}
