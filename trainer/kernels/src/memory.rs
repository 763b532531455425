//! Operands in memory that begins on a line of the cache: a load of 64 bytes then touches one line
//! and not two.

/// A line of the cache.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// Memory of numbers, aligned; it is used again, and what it holds from before is still there.
#[derive(Default)]
pub struct Aligned(Vec<Line>);

/// Numbers of which every pattern of bits is one.
pub trait Plain: Copy {}
impl Plain for u16 {}
impl Plain for u32 {}

impl Aligned {
    /// None yet.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Room for so many numbers.
    pub fn slice<T: Plain>(&mut self, count: usize) -> &mut [T] {
        let lines = (count * size_of::<T>()).div_ceil(size_of::<Line>());
        if self.0.len() < lines {
            self.0.resize(lines, Line([0; 64]));
        }
        // SAFETY: so many lines are there, they are initialised and aligned for every plain number,
        // and borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), count) }
    }

    /// The first numbers.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn first<T: Plain>(&self, count: usize) -> &[T] {
        assert!(
            count * size_of::<T>() <= size_of_val(&self.0[..]),
            "{count} numbers are not there"
        );
        // SAFETY: the assert; the lines are initialised and aligned for every plain number.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), count) }
    }
}
