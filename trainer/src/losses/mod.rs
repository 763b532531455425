//! Loss terms, and their weighted sum. Mean squared error and cross-entropy are those of
//! `candle_nn::loss` (`docs/decisions/052-candle-nn.md`).
//!
//! Each term maps candle tensors to a scalar. `tests/learning/gradients.rs` compares its gradient
//! with finite differences.

mod feature_network;
pub mod gram_style;
pub mod kl;
pub mod l1;
pub mod perceptual;
pub mod vggish;

use candle_core::Tensor;

/// The terms of a step and their weighted sum.
#[derive(Default)]
pub struct Losses {
    total: Option<Tensor>,
    terms: Vec<(&'static str, Tensor)>,
}

impl Losses {
    /// Adds `weight * term`. A term of weight 0 is not computed.
    ///
    /// # Errors
    /// If the term cannot be computed.
    pub fn add(
        &mut self,
        name: &'static str,
        weight: f64,
        term: impl FnOnce() -> anyhow::Result<Tensor>,
    ) -> anyhow::Result<()> {
        if weight == 0.0 {
            return Ok(());
        }
        let term = term()?;
        let weighted = term.affine(weight, 0.0)?;
        self.terms.push((name, term.detach()));
        self.total = Some(match self.total.take() {
            Some(total) => (total + weighted)?,
            None => weighted,
        });
        Ok(())
    }

    /// The weighted sum; `None` if all weights are 0.
    pub fn total(&self) -> Option<&Tensor> {
        self.total.as_ref()
    }

    /// The terms without their weights.
    pub fn terms(&self) -> &[(&'static str, Tensor)] {
        &self.terms
    }
}
