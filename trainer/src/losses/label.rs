//! Cross-entropy of a class label.

use candle_core::{D, Result, Tensor};

/// Mean over the batch of `-ln softmax(logits)[label]`; `logits (B, K)`, `labels (B)` of u32.
pub fn label(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    log_softmax(logits)?.gather(&labels.unsqueeze(1)?, 1)?.mean_all()?.neg()
}

/// `(B, K) -> (B, K)`, by operations that all have a backward pass.
pub fn log_softmax(logits: &Tensor) -> Result<Tensor> {
    // The shift cancels in value and in gradient; it only keeps the exponential finite.
    let shifted = logits.broadcast_sub(&logits.detach().max_keepdim(D::Minus1)?)?;
    let normaliser = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
    shifted.broadcast_sub(&normaliser)
}
