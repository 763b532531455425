//! Reasons to stop a run before its last step: a signal, a file, or a time limit.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Set by the first Ctrl-C or SIGTERM.
static SIGNALLED: AtomicBool = AtomicBool::new(false);

/// Checks for a reason to stop. The current step is finished and saved first.
pub struct Stop {
    file: PathBuf,
    deadline: Option<Instant>,
}

impl Stop {
    /// Stops if a file `stop` appears in the run folder (the run deletes it), or after `minutes`.
    pub fn new(folder: &Path, minutes: Option<f64>) -> Self {
        let deadline =
            minutes.map(|minutes| Instant::now() + Duration::from_secs_f64(60.0 * minutes));
        Self { file: folder.join("stop"), deadline }
    }

    /// Stops the run on Ctrl-C or SIGTERM. A second signal exits immediately.
    pub fn catch_signals() {
        static CAUGHT: OnceLock<()> = OnceLock::new();
        CAUGHT.get_or_init(|| {
            let caught = ctrlc::set_handler(|| {
                if SIGNALLED.swap(true, Ordering::SeqCst) {
                    std::process::exit(130);
                }
                eprintln!(
                    "stopping after this step (press Ctrl-C again to exit without a checkpoint)"
                );
            });
            if let Err(error) = caught {
                eprintln!("Ctrl-C cannot be handled, so it will not save a checkpoint: {error}");
            }
        });
    }

    /// Whether Ctrl-C or SIGTERM was received.
    pub fn signalled() -> bool {
        SIGNALLED.load(Ordering::SeqCst)
    }

    /// The reason to stop now, if any.
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

    /// Seconds until the time limit, if there is one.
    pub fn seconds_left(&self) -> Option<f64> {
        self.deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()).as_secs_f64())
    }
}
