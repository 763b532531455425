//! The progress bar of the commands that generate audio.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Shows the processed seconds of audio and the current real-time factor. It is invisible if
/// standard error is not a terminal.
pub struct Progress {
    bar: ProgressBar,
    start: Instant,
    sample_rate_hz: f64,
}

impl Progress {
    /// A bar for `frames` samples per channel; `None` if the length is not declared.
    pub fn new(frames: Option<u64>, sample_rate_hz: u32) -> Self {
        let sample_rate_hz = f64::from(sample_rate_hz);
        let bar = frames.map_or_else(ProgressBar::no_length, ProgressBar::new);
        let template = if frames.is_some() {
            "{bar:32} {percent:>3} %  {msg}  {eta} left"
        } else {
            "{spinner} {msg}"
        };
        bar.set_style(ProgressStyle::with_template(template).expect("the template is well formed"));
        bar.enable_steady_tick(Duration::from_millis(250));
        Self { bar, start: Instant::now(), sample_rate_hz }
    }

    /// Sets the number of processed samples per channel.
    pub fn set_position(&self, frames: u64) {
        let seconds = frames as f64 / self.sample_rate_hz;
        if seconds > 0.0 {
            let factor = self.start.elapsed().as_secs_f64() / seconds;
            self.bar.set_message(format!("{seconds:.1} s  real-time factor {factor:.3}"));
        }
        self.bar.set_position(frames);
    }

    /// Removes the bar. Returns the time since its creation.
    pub fn finish(&self) -> Duration {
        self.bar.finish_and_clear();
        self.start.elapsed()
    }
}
