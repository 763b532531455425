//! Progress of a run: a bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

/// Prints the progress of a run.
pub struct Console {
    bar: Option<ProgressBar>,
    steps: u64,
}

impl Console {
    /// Starts at `done` of `steps`. With `quiet`, it prints no output.
    pub fn new(done: u64, steps: u64, quiet: bool) -> Self {
        let bar = (!quiet).then(|| {
            let bar = if std::io::stderr().is_terminal() {
                ProgressBar::new(steps)
            } else {
                ProgressBar::hidden()
            };
            let style = ProgressStyle::with_template("{bar:24} {pos}/{len} {msg}")
                .expect("a valid template");
            bar.set_style(style);
            bar.set_position(done);
            bar
        });
        Self { bar, steps }
    }

    /// Counts a finished step.
    pub fn tick(&self) {
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
    }

    /// Prints or shows a status with the remaining time.
    pub fn status(&self, step: u64, text: &str, seconds_left: f64) {
        let Some(bar) = &self.bar else { return };
        let message = format!("{text}, {} left", duration(seconds_left));
        if bar.is_hidden() {
            eprintln!("{step}/{} {message}", self.steps);
        } else {
            bar.set_message(message);
        }
    }

    /// Prints a line above the bar.
    pub fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) if bar.is_hidden() => eprintln!("{text}"),
            Some(bar) => bar.println(text),
            None => {}
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.abandon();
        }
    }
}

/// `1 h 02 min`, `3 min 20 s` or `12 s`.
fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0) as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, min, s) => format!("{min} min {s:02} s"),
        (h, min, _) => format!("{h} h {min:02} min"),
    }
}
