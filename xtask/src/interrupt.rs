//! Ctrl-C and SIGTERM: the command ends as by an error, so that no half-written file stays behind.

use std::sync::OnceLock;

use anyhow::{Result, ensure};
use engine::cancel::Cancel;

static CANCEL: OnceLock<Cancel> = OnceLock::new();

/// The flag that a signal raises; the first call begins to listen. A second signal ends the process
/// at once.
pub fn cancel() -> Cancel {
    let listen = || {
        let cancel = Cancel::default();
        let raised = cancel.clone();
        let listening = ctrlc::set_handler(move || {
            if raised.is_cancelled() {
                std::process::exit(130);
            }
            raised.cancel();
        });
        if let Err(error) = listening {
            eprintln!("note: a temporary file will stay when this is interrupted ({error})");
        }
        cancel
    };
    CANCEL.get_or_init(listen).clone()
}

/// Refuses to go on once a signal has come.
///
/// # Errors
/// If one has.
pub fn check() -> Result<()> {
    ensure!(!cancel().is_cancelled(), "interrupted: nothing was written");
    Ok(())
}
