//! Ctrl-C and SIGTERM. The command returns an error, so that no incomplete file remains.

use std::sync::OnceLock;

use anyhow::{Result, ensure};
use engine::cancel::Cancel;

static CANCEL: OnceLock<Cancel> = OnceLock::new();

/// The flag that a signal sets. The first call installs the signal handler. A second signal ends
/// the process immediately.
pub fn cancel() -> Cancel {
    let install = || {
        let cancel = Cancel::default();
        let flag = cancel.clone();
        let installed = ctrlc::set_handler(move || {
            if flag.is_cancelled() {
                std::process::exit(130);
            }
            flag.cancel();
        });
        if let Err(error) = installed {
            eprintln!("note: if you interrupt this command, a temporary file remains ({error})");
        }
        cancel
    };
    CANCEL.get_or_init(install).clone()
}

/// # Errors
/// If a signal was received.
pub fn check() -> Result<()> {
    ensure!(!cancel().is_cancelled(), "interrupted: no file was written");
    Ok(())
}
