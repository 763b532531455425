//! Blocks in, blocks out: the window that moves over a stream. Knows no tensors.
//!
//! ```text
//! audio thread:  block -> Chunker --jobs--> Pool: Runner { WindowProcessor }
//!                block <- Assembler <-------- results
//! ```
//!
//! [`grid`] says which samples a window reads and which it yields, [`latency`] what that costs. A
//! `Parcel` carries one window's samples to the worker and its wet audio back, and then comes home:
//! nothing is allocated or freed on the audio thread. [`offline`] runs the same two halves for
//! files, waiting where the audio thread would have gone on with the delayed dry signal;
//! [`side_by_side`] runs several of those over one file.

pub mod assembler;
pub mod audio_thread;
pub mod chunk;
pub mod chunker;
pub mod crossfade;
pub mod delay_line;
pub mod grid;
pub mod history;
pub mod latency;
pub mod offline;
pub mod pool;
pub mod processor;
pub mod runner;
pub mod shared;
pub mod side_by_side;
pub mod timings;
mod watch;

pub use audio_thread::{AudioThread, StreamConfig, open, open_on};
pub use chunk::{WindowInput, WindowOutput};
pub use grid::Grid;
pub use history::History;
pub use offline::{OfflineStream, Report, render};
pub use pool::{Pool, Work};
pub use processor::WindowProcessor;
pub use shared::{Stats, Status};
pub use side_by_side::SideBySide;
pub use timings::{Stage, Timings};
