//! The real-time stream: audio blocks in, audio blocks out, through overlapping windows.
//!
//! ```text
//! audio thread:  block -> Windower --jobs--> Pool: Runner { WindowProcessor }
//!                block <- OverlapAdd <-------- results
//! ```
//!
//! [`grid`] defines the samples that each window reads and writes, and [`latency`] the resulting
//! latency. A `WindowJob` carries one window's samples to the worker and its wet audio back. Jobs
//! are reused: the audio thread allocates and frees no memory.
//!
//! [`offline`] runs the same stream for files. It waits for late windows, where the audio thread
//! would output the delayed dry signal. [`parallel_render`] runs several streams over one file.
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
