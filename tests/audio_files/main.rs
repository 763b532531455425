//! Properties of the audio file reader over generated and damaged files. It never panics, its memory
//! and work are bounded, and it loses no sample without a warning. It finds the frames that ffmpeg
//! finds.
//!
//! `LUTHIER_FUZZ_ROUNDS` sets the number of files of each kind. The files come from a seeded
//! generator, not from a library for property tests. A few fields describe a file, and a failure
//! prints them, so shrinking would add nothing.

mod damaged;
mod ffmpeg;
mod field;
mod generated;
mod judge;
mod pcm_draw;
mod pcm_file;
mod pcm_headers;

use tests::allocations::CountingAllocator;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Files of each kind: `usual` in a normal test run.
fn rounds(usual: usize) -> usize {
    std::env::var("LUTHIER_FUZZ_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}
