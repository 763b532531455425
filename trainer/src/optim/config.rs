//! Config of the optimiser.

use serde::{Deserialize, Serialize};

/// Constants of the optimiser.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimizerConfig {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the denominator of AdamW.
    pub epsilon: f64,
    /// Decoupled weight decay of tensors of rank 2 and above.
    pub weight_decay: f64,
    /// Maximum global gradient norm. Larger gradients are scaled down.
    pub clip_norm: f64,
    /// Momentum of [`muon`](super::muon), which updates the hidden matrices: weights with at least
    /// [`MUON_SIDE`] output channels and as many weights for each. With 0, AdamW updates them.
    #[serde(default)]
    pub muon_momentum: f64,
}

/// Smallest side of a matrix that Muon updates. The output layers of the networks are narrower, so
/// AdamW updates them.
pub const MUON_SIDE: usize = 64;

impl Default for OptimizerConfig {
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
