//! An allocator that counts the calls and bytes of one thread, and the bytes in use by all threads.
//!
//! Usage in a test program:
//! `#[global_allocator] static ALLOCATOR: CountingAllocator = CountingAllocator;`.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Counts the allocations and deallocations of a thread during [`count_calls`], and the bytes in
/// use.
pub struct CountingAllocator;

thread_local! {
    static WATCHED: Cell<bool> = const { Cell::new(false) };
    static CALLS: Cell<usize> = const { Cell::new(0) };
    /// Bytes that this thread has allocated minus those that it has freed, and their maximum.
    static BALANCE_BYTES: Cell<isize> = const { Cell::new(0) };
    static PEAK_BYTES: Cell<isize> = const { Cell::new(0) };
}

static HELD_BYTES: AtomicUsize = AtomicUsize::new(0);

fn count_call() {
    if WATCHED.get() {
        CALLS.set(CALLS.get() + 1);
    }
}

fn count_bytes(change: isize) {
    let balance = BALANCE_BYTES.get() + change;
    BALANCE_BYTES.set(balance);
    PEAK_BYTES.set(PEAK_BYTES.get().max(balance));
}

// SAFETY: every call is forwarded unchanged to the system's allocator.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count_call();
        HELD_BYTES.fetch_add(layout.size(), Relaxed);
        count_bytes(layout.size() as isize);
        // SAFETY: the caller upholds the same contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count_call();
        HELD_BYTES.fetch_sub(layout.size(), Relaxed);
        count_bytes(-(layout.size() as isize));
        // SAFETY: the caller upholds the same contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Runs `work` and returns its result and the number of its allocations and deallocations on this
/// thread.
pub fn count_calls<T>(work: impl FnOnce() -> T) -> (T, usize) {
    CALLS.set(0);
    WATCHED.set(true);
    let result = work();
    WATCHED.set(false);
    (result, CALLS.get())
}

/// Runs `work` and returns its result and the most bytes that this thread held at a time, above what
/// it held before.
pub fn peak_bytes<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = BALANCE_BYTES.get();
    PEAK_BYTES.set(before);
    let result = work();
    (result, (PEAK_BYTES.get() - before) as usize)
}

/// Bytes that the process has allocated and not freed. Memory that the allocator caches is not
/// included.
pub fn held_bytes() -> usize {
    HELD_BYTES.load(Relaxed)
}
