//! Memory that is aligned to cache lines: a load of 64 bytes then accesses only one line.

/// A cache line.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// Aligned, reusable memory for numbers. It keeps its previous content.
#[derive(Default)]
pub struct Aligned(Vec<Line>);

/// Numbers for which every bit pattern is valid.
pub trait Plain: Copy {}
impl Plain for u16 {}
impl Plain for u32 {}

impl Aligned {
    /// Empty memory.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Memory for `count` numbers, with arbitrary content.
    pub fn slice<T: Plain>(&mut self, count: usize) -> &mut [T] {
        let lines = (count * size_of::<T>()).div_ceil(size_of::<Line>());
        if self.0.len() < lines {
            self.0.resize(lines, Line([0; 64]));
        }
        // SAFETY: there are enough lines. They are initialised, aligned for every plain number and
        // borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), count) }
    }

    /// The first `count` numbers.
    ///
    /// # Panics
    /// If the memory is smaller.
    pub fn first<T: Plain>(&self, count: usize) -> &[T] {
        assert!(
            count * size_of::<T>() <= size_of_val(&self.0[..]),
            "the memory has fewer than {count} numbers"
        );
        // SAFETY: the assertion checks the size. The lines are initialised and aligned for every
        // plain number.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), count) }
    }
}
