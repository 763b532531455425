//! The plugin's audio thread neither allocates nor frees, through nice-plug and our guard.

use clack_host::prelude::PluginEntry;
use tests::allocations::Watching;
use tests::signal::Lcg;

use crate::clap_host::Clap;

#[global_allocator]
static ALLOCATOR: Watching = Watching;

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
