//! Blocks in, blocks out: the window that moves over a stream. Knows no tensors.
//!
//! ```text
//! audio thread:  block -> Windower --jobs--> Pool: Runner { WindowProcessor }
//!                block <- OverlapAdd <-------- results
//! ```
//!
//! [`grid`] says which samples a window reads and which it yields, [`latency`] what that costs. A
//! `WindowJob` carries one window's samples to the worker and its wet audio back, and then comes home:
//! nothing is allocated or freed on the audio thread. [`offline`] runs the same two halves for
//! files, waiting where the audio thread would have gone on with the delayed dry signal;
//! [`parallel_render`] runs several of those over one file.

pub mod audio_thread;
pub mod crossfade;
pub mod delay_line;
pub mod grid;
pub mod history;
pub mod latency;
pub mod offline;
pub mod overlap_add;
pub mod parallel_render;
pub mod pool;
pub mod processor;
pub mod runner;
pub mod shared;
pub mod timings;
mod watch;
pub mod window_job;
pub mod windower;

pub use audio_thread::{AudioThread, StreamConfig, open, open_on};
pub use grid::Grid;
pub use history::History;
pub use offline::{OfflineStream, Report, render};
pub use parallel_render::ParallelRender;
pub use pool::{Pool, Work};
pub use processor::WindowProcessor;
pub use shared::{Stats, StreamStatus};
pub use timings::{Stage, Timings};
pub use window_job::{WindowInput, WindowOutput};
