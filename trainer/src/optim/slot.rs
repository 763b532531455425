//! A trained variable with its update rule.

use std::collections::HashMap;

use anyhow::Context;
use candle_core::{DType, Tensor, Var};

use super::adamw::AdamW;
use super::config::{MUON_SIDE, OptimizerConfig};
use super::muon::Muon;
use super::step_constants::StepConstants;

/// A trained variable.
pub struct Slot {
    name: String,
    var: Var,
    decays: bool,
    rule: UpdateRule,
}

/// The update rule of a variable, with its state.
enum UpdateRule {
    AdamW(AdamW),
    Muon(Muon),
}

impl Slot {
    /// All moments are zero.
    ///
    /// # Errors
    /// If the variable is not f32.
    pub fn new(name: &str, var: &Var, config: &OptimizerConfig) -> anyhow::Result<Self> {
        anyhow::ensure!(
            var.dtype() == DType::F32,
            "trained variable `{name}`: expected f32, found {:?}",
            var.dtype()
        );
        let (zeros, decays) = (var.zeros_like()?, var.rank() >= 2);
        let hidden = decays && var.dim(0)?.min(var.elem_count() / var.dim(0)?) >= MUON_SIDE;
        let rule = match hidden && config.muon_momentum > 0.0 {
            true => UpdateRule::Muon(Muon::new(zeros, var.device())?),
            false => UpdateRule::AdamW(AdamW::new(zeros.clone(), zeros, var.device())?),
        };
        Ok(Self { name: name.to_string(), decays, var: var.clone(), rule })
    }

    /// The variable.
    pub fn var(&self) -> &Var {
        &self.var
    }

    /// Updates the variable.
    ///
    /// # Errors
    /// If a tensor operation fails.
    pub fn step(&mut self, gradient: &Tensor, step: &StepConstants) -> candle_core::Result<()> {
        let step = if self.decays { *step } else { step.without_decay() };
        match &mut self.rule {
            UpdateRule::AdamW(adamw) => adamw.step(&self.var, gradient, &step),
            UpdateRule::Muon(muon) => muon.step(&self.var, gradient, &step),
        }
    }

    /// The moments, named `<moment>.<variable>`.
    ///
    /// # Errors
    /// If a tensor cannot be created.
    pub fn state(&self) -> candle_core::Result<Vec<(String, Tensor)>> {
        let tensors = match &self.rule {
            UpdateRule::AdamW(adamw) => adamw.state(&self.var)?,
            UpdateRule::Muon(muon) => muon.state(&self.var)?,
        };
        let tensors = tensors.into_iter();
        Ok(tensors.map(|(kind, tensor)| (format!("{kind}.{}", self.name), tensor)).collect())
    }

    /// Restores a saved [`state`](Self::state).
    ///
    /// # Errors
    /// If a moment is missing or has another shape.
    pub fn restore(&mut self, tensors: &HashMap<String, Tensor>) -> anyhow::Result<()> {
        let moment = |kind: &str| {
            let name = format!("{kind}.{}", self.name);
            let tensor = tensors.get(&name).with_context(|| {
                format!(
                    "optimiser state: expected `{name}`, found none (optimiser.muon_momentum must \
                     stay 0, or stay above 0)"
                )
            })?;
            let (expected, found) = (self.var.dims(), tensor.dims());
            anyhow::ensure!(
                found == expected,
                "optimiser state: `{name}`: expected shape {expected:?}, found {found:?}"
            );
            anyhow::Ok(tensor.clone())
        };
        let device = self.var.device();
        self.rule = match self.rule {
            UpdateRule::Muon(_) => UpdateRule::Muon(Muon::new(moment("momentum")?, device)?),
            UpdateRule::AdamW(_) => {
                UpdateRule::AdamW(AdamW::new(moment("first")?, moment("second")?, device)?)
            }
        };
        Ok(())
    }
}
