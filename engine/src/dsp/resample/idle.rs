//! Reuse of dropped converters. Hosts activate a plugin repeatedly, and the filter table of a
//! converter is expensive to compute; see `docs/decisions/043-reused-resamplers.md`.

use std::ops::{Deref, DerefMut};

use parking_lot::Mutex;
use rubato::{Async, Resampler as _};

use super::Filter;
use crate::Result;

/// Most memory for the tables of idle converters.
const IDLE_BYTES_MAX: usize = 32 << 20;

/// Idle converters, longest idle first.
static IDLE: Mutex<Vec<(Filter, Async<f32>)>> = Mutex::new(Vec::new());

/// A converter that returns to the idle list when it is dropped.
pub(super) struct Reusable {
    filter: Filter,
    /// `None` only while it is dropped.
    inner: Option<Async<f32>>,
}

/// A converter in its initial state, reused or new.
pub(super) fn take(filter: Filter) -> Result<Reusable> {
    let mut idle = IDLE.lock();
    let found = idle.iter().rposition(|(other, _)| *other == filter).map(|i| idle.remove(i).1);
    drop(idle);
    let inner = match found {
        Some(inner) => inner,
        None => filter.build()?,
    };
    Ok(Reusable { filter, inner: Some(inner) })
}

impl Drop for Reusable {
    fn drop(&mut self) {
        let Some(mut inner) = self.inner.take() else { return };
        inner.reset();
        let mut idle = IDLE.lock();
        idle.push((self.filter, inner));
        let (mut held, mut excess) =
            (idle.iter().map(|(filter, _)| filter.bytes()).sum::<usize>(), 0);
        while held > IDLE_BYTES_MAX {
            held -= idle[excess].0.bytes();
            excess += 1;
        }
        let oldest: Vec<_> = idle.drain(..excess).collect();
        // Freed without holding the lock.
        drop(idle);
        drop(oldest);
    }
}

/// Frees all idle converters.
pub(super) fn forget() {
    let idle = std::mem::take(&mut *IDLE.lock());
    drop(idle);
}

impl Deref for Reusable {
    type Target = Async<f32>;

    fn deref(&self) -> &Async<f32> {
        self.inner.as_ref().expect("a converter that is not dropped")
    }
}

impl DerefMut for Reusable {
    fn deref_mut(&mut self) -> &mut Async<f32> {
        self.inner.as_mut().expect("a converter that is not dropped")
    }
}
