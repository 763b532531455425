//! Properties of the stream on the audio thread: exact timing, continuity, and independence of the
//! block size.

mod allocation;
mod exactness;
mod fakes;
mod limiter;
mod model;
mod offline;
mod pool;
mod trouble;
