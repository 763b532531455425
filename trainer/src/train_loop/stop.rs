//! The ways in which a run ends before its last step: a signal, a file, the clock.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Set by the first Ctrl-C or SIGTERM.
static SIGNALLED: AtomicBool = AtomicBool::new(false);

/// Watches for a reason to stop; the step under way is finished and saved.
pub struct Stop {
    file: PathBuf,
    deadline: Option<Instant>,
}

impl Stop {
    /// Stops when a file `stop` appears in the run folder (it is taken away), or after `minutes`.
    pub fn new(folder: &Path, minutes: Option<f64>) -> Self {
        let deadline =
            minutes.map(|minutes| Instant::now() + Duration::from_secs_f64(60.0 * minutes));
        Self { file: folder.join("stop"), deadline }
    }

    /// Lets Ctrl-C and SIGTERM ask for a stop; the second one ends the process at once.
    pub fn catch_signals() {
        static CAUGHT: OnceLock<()> = OnceLock::new();
        CAUGHT.get_or_init(|| {
            let caught = ctrlc::set_handler(|| {
                if SIGNALLED.swap(true, Ordering::SeqCst) {
                    std::process::exit(130);
                }
                eprintln!("stopping after this step (again: at once, without a checkpoint)");
            });
            if let Err(error) = caught {
                eprintln!("Ctrl-C will not save a checkpoint: {error}");
            }
        });
    }

    /// Whether Ctrl-C or SIGTERM came.
    pub fn signalled() -> bool {
        SIGNALLED.load(Ordering::SeqCst)
    }

    /// Why the run has to stop now, if it has to.
    pub fn reason(&self) -> Option<&'static str> {
        if Self::signalled() {
            Some("signal")
        } else if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            Some("time is up")
        } else if std::fs::remove_file(&self.file).is_ok() {
            Some("stop file")
        } else {
            None
        }
    }

    /// Seconds until the clock stops the run.
    pub fn seconds_left(&self) -> Option<f64> {
        self.deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()).as_secs_f64())
    }
}
