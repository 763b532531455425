//! An allocator that counts what one thread asks of it, and what all of them hold.
//!
//! A test program makes it its own: `#[global_allocator] static ALLOCATOR: Watching = Watching;`

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Counts what a thread allocates and frees while it asks to be watched, and the bytes that the
/// process holds.
pub struct Watching;

thread_local! {
    static WATCHED: Cell<bool> = const { Cell::new(false) };
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

static HELD_BYTES: AtomicUsize = AtomicUsize::new(0);

fn note() {
    if WATCHED.get() {
        CALLS.set(CALLS.get() + 1);
    }
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        HELD_BYTES.fetch_add(layout.size(), Relaxed);
        // SAFETY: the caller's promise is the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note();
        HELD_BYTES.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise is the system's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// What `work` returns, and how often it allocates or frees on this thread.
pub fn calls_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    CALLS.set(0);
    WATCHED.set(true);
    let done = work();
    WATCHED.set(false);
    (done, CALLS.get())
}

/// What the process has allocated and not freed; memory that the allocator keeps for later is not
/// in it.
pub fn held_bytes() -> usize {
    HELD_BYTES.load(Relaxed)
}
