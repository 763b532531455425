//! A style: what cross-attention reads, computed once from a reference and savable.

pub mod file;
mod hexadecimal;
pub mod profile;
mod reference_mels;
mod saved;

use serde::{Deserialize, Serialize};

pub use reference_mels::ReferenceMels;
pub use saved::{SavedStyle, WrittenStyle};

/// The style encoder's answer to one or more reference windows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StyleTokens {
    /// SHA-256 of the model file that made them (tokens of one model mean nothing to another).
    pub model: String,
    /// Token width.
    pub dim: usize,
    /// `count * dim` values, token after token.
    pub tokens: Vec<f32>,
    /// The pooled style vector.
    pub pooled: Vec<f32>,
    /// The spectral profile ([`profile`]), mean of the windows'.
    pub profile: Vec<f32>,
    /// Instrument probabilities in the order of the model's instruments.
    pub instruments: Vec<f32>,
}

impl StyleTokens {
    /// How many tokens there are.
    pub fn count(&self) -> usize {
        self.tokens.len() / self.dim.max(1)
    }
}
