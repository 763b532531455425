//! The plugin's audio thread neither allocates nor frees, through nice-plug and our guard.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use clack_host::prelude::PluginEntry;

use crate::clap_host::Clap;
use crate::signal::Lcg;

/// Counts what a thread allocates and frees while it asks to be watched.
struct Watching;

thread_local! {
    static WATCHED: Cell<bool> = const { Cell::new(false) };
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

fn note() {
    if WATCHED.get() {
        CALLS.set(CALLS.get() + 1);
    }
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: the caller's promise is the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note();
        // SAFETY: the caller's promise is the system's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watching = Watching;

/// How often `work` allocates or frees on this thread.
pub fn calls_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    CALLS.set(0);
    WATCHED.set(true);
    let done = work();
    WATCHED.set(false);
    (done, CALLS.get())
}

#[test]
fn the_audio_thread_never_allocates() {
    // Linked in, not loaded: then the plugin allocates where this program watches.
    // SAFETY: our own entry, which is a CLAP's.
    let entry = unsafe { PluginEntry::load_from_raw(&plugin::guard::clap_entry, c"") }.expect("an entry");
    let mut clap = Clap::new(&entry);
    let latency = clap.activate(44_100, 8192);
    let mut random = Lcg(1);
    let input = vec![random.noise(latency + 200_000), random.noise(latency + 200_000)];
    let style = clap.param("Style");
    let mut blocks = Lcg(2);
    clap.play(&input, &input, move |_| 1 + blocks.below(4096), &[(style, 60.0)]);
    assert!(clap.blocks > 100);
    assert_eq!(clap.allocations, 0);
}
