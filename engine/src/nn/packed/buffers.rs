//! Activations, and reuse of their memory.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use parking_lot::Mutex;

/// Memory of dropped activations, for reuse. After the first window, no memory is allocated.
#[derive(Clone, Debug, Default)]
pub(super) struct Buffers(Arc<Mutex<Vec<Vec<f32>>>>);

/// A buffer that returns to its pool when it is dropped.
#[derive(Debug)]
pub(super) struct Buffer {
    data: Vec<f32>,
    pool: Buffers,
}

impl Buffers {
    /// A buffer of `len` values with arbitrary content. Reuses the smallest buffer that is large
    /// enough.
    pub fn take(&self, len: usize) -> Buffer {
        let mut free = self.0.lock();
        let fits = (0..free.len()).filter(|&i| free[i].capacity() >= len);
        let mut data = match fits.min_by_key(|&i| free[i].capacity()) {
            Some(i) => free.swap_remove(i),
            None => Vec::with_capacity(len),
        };
        drop(free);
        data.resize(len, 0.0);
        Buffer { data, pool: self.clone() }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.pool.0.lock().push(std::mem::take(&mut self.data));
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.data
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.data
    }
}

/// An activation of [`super::Packed`].
#[derive(Clone, Debug)]
pub struct Activation {
    pub(super) dims: [usize; 4],
    pub(super) data: Arc<Buffer>,
}

impl Activation {
    pub(super) fn new(dims: [usize; 4], data: Buffer) -> Self {
        debug_assert_eq!(dims.iter().product::<usize>(), data.len());
        Self { dims, data: Arc::new(data) }
    }

    /// Number of values of one batch element.
    pub(super) fn stride(&self) -> usize {
        self.dims[1] * self.dims[2] * self.dims[3]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_buffers_are_reused() {
        let buffers = Buffers::default();
        let (small, large) = (buffers.take(10), buffers.take(1000));
        let addresses = [small.as_ptr(), large.as_ptr()];
        drop((small, large));
        let (again, other) = (buffers.take(11), buffers.take(10));
        assert_eq!([other.as_ptr(), again.as_ptr()], addresses, "the smallest sufficient buffer");
        assert_eq!((again.len(), other.len()), (11, 10));
        assert_eq!(buffers.0.lock().len(), 0);
    }
}
