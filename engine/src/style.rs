//! A style: the input of cross-attention, computed once from a reference and storable.
//!
//! ```
//! use engine::style::StyleTokens;
//!
//! let style = StyleTokens { dim: 192, tokens: vec![0.0; 5 * 192], ..StyleTokens::default() };
//! assert_eq!(style.count(), 5);
//! ```

pub mod file;
mod hexadecimal;
pub mod profile;
mod reference_mels;
mod saved;

use serde::{Deserialize, Serialize};

pub use reference_mels::ReferenceMels;
pub use saved::{SavedStyle, WrittenStyle};

/// The style encoder's output for one or more reference windows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StyleTokens {
    /// SHA-256 of the model file that computed them; they are meaningless to other models.
    pub model: String,
    /// Token width.
    pub dim: usize,
    /// `count * dim` values, row-major.
    pub tokens: Vec<f32>,
    /// The pooled style vector.
    pub pooled: Vec<f32>,
    /// The spectral profile ([`profile`]), averaged over the windows.
    pub profile: Vec<f32>,
    /// Instrument probabilities in the order of the model's instruments.
    pub instruments: Vec<f32>,
}

impl StyleTokens {
    /// Number of tokens.
    pub fn count(&self) -> usize {
        self.tokens.len() / self.dim.max(1)
    }
}
