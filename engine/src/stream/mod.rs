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

mod audio_thread;
mod bypass;
mod config;
mod controls;
mod crossfade;
mod delay_line;
mod grid;
mod history;
pub mod latency;
mod offline;
mod overlap_add;
mod parallel_render;
mod peaks;
mod pool;
mod processor;
mod ramp;
mod runner;
pub mod sample;
mod shared;
mod timings;
mod watch;
mod window_job;
mod windower;

pub use audio_thread::{AudioThread, open, open_on};
pub use config::StreamConfig;
pub use controls::Controls;
pub use grid::Grid;
pub use history::History;
pub use offline::{OfflineStream, Report, render};
pub use parallel_render::ParallelRender;
pub use peaks::Peaks;
pub use pool::{Pool, Work};
pub use processor::WindowProcessor;
pub use shared::{Stats, StreamStatus};
pub use timings::{Stage, Timings};
pub use window_job::{WindowInput, WindowOutput};
