//! Cross-entropy of a class label.

use candle_core::{D, Result, Tensor};

/// Mean of `-ln softmax(logits)[label]` over the batch. `logits` are `(B, K)`, `labels` are `(B)` of
/// u32.
///
/// # Errors
/// If a label is not below `K`.
pub fn label(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    log_softmax(logits)?.gather(&labels.unsqueeze(1)?, 1)?.mean_all()?.neg()
}

/// `(B, K) -> (B, K)`, with operations that have a backward pass.
///
/// # Errors
/// If a tensor operation fails.
pub fn log_softmax(logits: &Tensor) -> Result<Tensor> {
    // The shift cancels in the value and in the gradient. It avoids an overflow of the exponential.
    let shifted = logits.broadcast_sub(&logits.detach().max_keepdim(D::Minus1)?)?;
    let normaliser = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
    shifted.broadcast_sub(&normaliser)
}
