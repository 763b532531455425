//! What an optimiser is made with.

use serde::{Deserialize, Serialize};

/// The optimiser's constants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdamWConfig {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the denominator.
    pub epsilon: f64,
    /// Decoupled weight decay of tensors of rank 2 and more.
    pub weight_decay: f64,
    /// Global gradient norm above which gradients are scaled down.
    pub clip_norm: f64,
    /// Momentum of [`muon`](super::muon), which then moves the hidden matrices: weights with at
    /// least [`MUON_SIDE`] output channels and as many numbers for each; 0 leaves them to AdamW.
    #[serde(default)]
    pub muon_momentum: f64,
}

/// The outputs of networks (a latent's channels, an instrument head's labels) have fewer, and stay
/// with AdamW.
pub const MUON_SIDE: usize = 64;

impl Default for AdamWConfig {
    fn default() -> Self {
        Self {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.01,
            clip_norm: 1.0,
            muon_momentum: 0.0,
        }
    }
}
