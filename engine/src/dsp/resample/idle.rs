//! Converters that are gone, for those to come: hosts activate a plugin again and again, and the
//! table of filters that each of its converters has takes up to a tenth of a second to make.

use std::ops::{Deref, DerefMut};

use parking_lot::Mutex;
use rubato::{Async, Resampler as _};

use super::Filter;
use crate::Result;

/// What the tables of those that wait hold together, at most. Ten converters of a stereo instance
/// with its sidechain have .1 MB at 44.1 kHz; one at a rate without a small ratio to the model's up
/// to 16.
const IDLE_BYTES_MAX: usize = 32 << 20;

/// The longest idle first.
static IDLE: Mutex<Vec<(Filter, Async<f32>)>> = Mutex::new(Vec::new());

/// A converter that goes back when it is dropped.
pub(super) struct Lent {
    filter: Filter,
    /// There until it is dropped.
    inner: Option<Async<f32>>,
}

/// A converter as new.
pub(super) fn take(filter: Filter) -> Result<Lent> {
    let mut idle = IDLE.lock();
    let waiting = idle.iter().rposition(|(found, _)| *found == filter).map(|at| idle.remove(at).1);
    drop(idle);
    let inner = match waiting {
        Some(inner) => inner,
        None => filter.build()?,
    };
    Ok(Lent { filter, inner: Some(inner) })
}

impl Drop for Lent {
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
        // Their memory is given back when nobody waits.
        drop(idle);
        drop(oldest);
    }
}

/// Gives the memory of all that wait back.
pub(super) fn forget() {
    let idle = std::mem::take(&mut *IDLE.lock());
    drop(idle);
}

impl Deref for Lent {
    type Target = Async<f32>;

    fn deref(&self) -> &Async<f32> {
        self.inner.as_ref().expect("a converter that was not dropped")
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Async<f32> {
        self.inner.as_mut().expect("a converter that was not dropped")
    }
}
