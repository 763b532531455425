//! The engine's errors: one sentence with the location, the expected and the found value.
//!
//! ```
//! use engine::Error;
//!
//! let error = Error::invalid("steps", "1 to 1000", 0);
//! assert_eq!(error.to_string(), "steps: expected 1 to 1000, found 0");
//! ```

use std::path::{Path, PathBuf};

/// The engine's result.
pub type Result<T> = std::result::Result<T, Error>;

/// Every error of the engine.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting, config field or argument has an unusable value.
    #[error("{what}: expected {expected}, found {found}")]
    Invalid {
        /// The name of the value, as the user entered it.
        what: String,
        /// The accepted values.
        expected: String,
        /// The rejected value.
        found: String,
    },
    /// A file could not be read or written.
    #[error("{path}: {reason}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        reason: String,
    },
    /// A model file does not match the format or this build.
    #[error("model field `{field}`: expected {expected}, found {found}")]
    Checkpoint {
        /// Metadata field or tensor name.
        field: String,
        /// What the format or the config requires.
        expected: String,
        /// The content of the file.
        found: String,
    },
    /// The work was cancelled between two layers.
    #[error("cancelled")]
    Cancelled,
    /// An executor failed: out of memory, a device error, or an unsupported shape.
    #[error("compute: {0}")]
    Compute(String),
}

impl Error {
    /// An unusable value of a setting, config field or argument.
    pub fn invalid(
        what: impl Into<String>,
        expected: impl Into<String>,
        found: impl ToString,
    ) -> Self {
        Self::Invalid { what: what.into(), expected: expected.into(), found: found.to_string() }
    }

    /// A file that could not be read or written.
    pub fn file(path: impl AsRef<Path>, reason: impl ToString) -> Self {
        Self::File { path: path.as_ref().to_path_buf(), reason: reason.to_string() }
    }

    /// A model file's field or tensor that violates the format.
    pub fn checkpoint(
        field: impl Into<String>,
        expected: impl Into<String>,
        found: impl ToString,
    ) -> Self {
        Self::Checkpoint {
            field: field.into(),
            expected: expected.into(),
            found: found.to_string(),
        }
    }

    /// The message without the prefix of [`Error::Compute`], for callers that add their own.
    pub fn reason(&self) -> String {
        match self {
            Self::Compute(reason) => reason.clone(),
            other => other.to_string(),
        }
    }
}

#[cfg(feature = "candle")]
impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        Self::Compute(error.to_string())
    }
}
