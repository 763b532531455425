//! The real-time stream: audio blocks in, audio blocks out, through overlapping windows.
//!
//! ```text
//! audio thread:  block -> Windower --jobs--> Pool: Runner { WindowProcessor }
//!                block <- OverlapAdd <-------- results
//! ```
//!
//! `grid` defines the samples that each window reads and writes, and [`latency`] the resulting
//! latency. A `WindowJob` carries one window's samples to the worker and its wet audio back. Jobs
//! are reused: the audio thread allocates and frees no memory.
//!
//! `offline` runs the same stream for files. It waits for late windows, where the audio thread
//! would output the delayed dry signal. `parallel_render` runs several streams over one file.
//!
//! ```
//! use engine::Result;
//! use engine::cancel::Cancel;
//! use engine::config::ModelConfig;
//! use engine::settings::Settings;
//! use engine::stream::{Grid, WindowInput, WindowOutput, WindowProcessor, render};
//!
//! /// Writes a constant.
//! struct Constant;
//!
//! impl WindowProcessor for Constant {
//!     fn process(&mut self, _: &WindowInput, out: &mut WindowOutput, _: &Cancel) -> Result<()> {
//!         out.wet.iter_mut().flatten().for_each(|sample| *sample = 0.5);
//!         Ok(())
//!     }
//!
//!     fn skip(&mut self, _: &WindowInput) {}
//!
//!     fn reset(&mut self) {}
//! }
//!
//! let (grid, settings) = (Grid::new(&ModelConfig::default(), 44_100, 0)?, Settings::default());
//! let silence = [vec![0.0; 44_100]];
//! let (output, report) = render(grid, &silence, Box::new(Constant), &settings, &mut |_| {})?;
//! assert!(output[0].iter().all(|sample| (sample - 0.5).abs() < 1e-6));
//! assert_eq!((report.samples, report.stats.failed), (44_100, 0));
//! # Ok::<(), engine::Error>(())
//! ```

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
mod piece;
mod pool;
mod processor;
mod progress;
mod ramp;
mod runner;
pub mod sample;
mod shared;
mod timings;
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
pub use pool::{Pool, WorkHandle};
pub use processor::WindowProcessor;
pub use shared::{Stats, StreamStatus};
pub use timings::{Stage, Timings};
pub use window_job::{WindowInput, WindowOutput};
