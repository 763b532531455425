//! A flag that cancels work between two layers.
//!
//! ```
//! use engine::Error;
//! use engine::cancel::Cancel;
//!
//! let cancel = Cancel::default();
//! let worker = cancel.clone();
//! assert!(worker.check().is_ok());
//! cancel.cancel();
//! assert!(matches!(worker.check(), Err(Error::Cancelled)));
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::{Error, Result};

/// A flag shared by the thread that waits for a job and the thread that computes it.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Requests that the work stops at its next check.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether cancellation was requested.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Returns [`Error::Cancelled`] after a request. Called between layers, steps and stages.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }
}
