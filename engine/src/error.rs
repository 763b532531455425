//! What can go wrong, said in one sentence: what was expected, what came, and where.

use std::path::{Path, PathBuf};

/// The engine's result.
pub type Result<T> = std::result::Result<T, Error>;

/// Every way in which the engine refuses.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A value from outside (a setting, a config field, an argument) is not usable.
    #[error("{what}: expected {expected}, found {found}")]
    Invalid {
        /// The name of the value, as the user wrote it.
        what: String,
        /// What would have been accepted.
        expected: String,
        /// What came.
        found: String,
    },
    /// A file of the user's could not be read or written.
    #[error("{path}: {reason}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A model file is not one that this build can play.
    #[error("model field `{field}`: expected {expected}, found {found}")]
    Checkpoint {
        /// Metadata field or tensor name.
        field: String,
        /// What the format or the config asks for.
        expected: String,
        /// What the file holds.
        found: String,
    },
    /// The work was called off between two layers.
    #[error("cancelled")]
    Cancelled,
    /// An executor failed (out of memory, a device fault, a shape that a network cannot take).
    #[error("compute: {0}")]
    Compute(String),
}

impl Error {
    /// An unusable value from outside.
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

    /// A model file's field that is not as the format asks.
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

    /// The sentence without the word that says that an executor failed: for whoever says so
    /// already.
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
