//! The plugin's audio thread does not allocate or free memory, including nice-plug and our guard.

use tests::allocations::CountingAllocator;
use tests::clap_host::{Clap, linked_entry};
use tests::signal::Lcg;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Some blocks are larger than the host announced.
#[test]
fn the_audio_thread_never_allocates() {
    let mut clap = Clap::new(&linked_entry());
    let latency = clap.activate(44_100, 1024);
    let mut random = Lcg(1);
    let input = vec![random.noise(latency + 200_000), random.noise(latency + 200_000)];
    let (style, limiter) = (clap.param("Style"), clap.param("Limiter"));
    let mut blocks = Lcg(2);
    clap.play(&input, &input, move |_| 1 + blocks.below(4096), &[(style, 60.0), (limiter, 1.0)]);
    assert!(clap.times.len() > 100);
    assert_eq!(clap.allocations, 0);
}
