//! Loss terms, and their weighted sum.
//!
//! Every term is a function of candle tensors that gives a scalar; its gradient is checked against
//! finite differences in `tests/learning/gradients.rs`.

mod feature_network;
pub mod gram_style;
pub mod kl;
pub mod l1;
pub mod label;
pub mod mse;
pub mod perceptual;
pub mod vggish;

use candle_core::Tensor;

/// The weighted sum of a step's terms, and each term by itself.
#[derive(Default)]
pub struct Losses {
    total: Option<Tensor>,
    terms: Vec<(&'static str, Tensor)>,
}

impl Losses {
    /// Adds `weight * term`. A term of weight 0 is not even computed.
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

    /// What is minimised; none where every weight was 0.
    pub fn total(&self) -> Option<&Tensor> {
        self.total.as_ref()
    }

    /// Each term, unweighted.
    pub fn terms(&self) -> &[(&'static str, Tensor)] {
        &self.terms
    }
}
