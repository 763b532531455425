//! Activations, and the memory that they give back.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use parking_lot::Mutex;

/// Memory of activations that are gone, for those to come: after the first window nothing is
/// allocated.
#[derive(Clone, Debug, Default)]
pub(super) struct Buffers(Arc<Mutex<Vec<Vec<f32>>>>);

/// So many values, which go back to where they were taken from.
#[derive(Debug)]
pub(super) struct Buffer {
    data: Vec<f32>,
    home: Buffers,
}

impl Buffers {
    /// A buffer of `len` values, whatever they are: the smallest that is large enough.
    pub fn take(&self, len: usize) -> Buffer {
        let mut free = self.0.lock();
        let fits = (0..free.len()).filter(|&i| free[i].capacity() >= len);
        let mut data = match fits.min_by_key(|&i| free[i].capacity()) {
            Some(i) => free.swap_remove(i),
            None => Vec::with_capacity(len),
        };
        drop(free);
        data.resize(len, 0.0);
        Buffer { data, home: self.clone() }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.home.0.lock().push(std::mem::take(&mut self.data));
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

    /// Values of one batch element.
    pub(super) fn stride(&self) -> usize {
        self.dims[1] * self.dims[2] * self.dims[3]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_is_used_again() {
        let buffers = Buffers::default();
        let (small, large) = (buffers.take(10), buffers.take(1000));
        let places = [small.as_ptr(), large.as_ptr()];
        drop((small, large));
        let (again, other) = (buffers.take(11), buffers.take(10));
        assert_eq!([other.as_ptr(), again.as_ptr()], places, "the smallest that is large enough");
        assert_eq!((again.len(), other.len()), (11, 10));
        assert_eq!(buffers.0.lock().len(), 0);
    }
}
