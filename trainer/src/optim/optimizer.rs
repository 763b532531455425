//! The optimiser: clipping and one update rule for each variable, in place and resumable.
//!
//! Hidden matrices can be updated with [`Muon`](super::muon), all other variables with
//! [`AdamW`](super::adamw). Weight decay is decoupled and only applies to tensors of rank 2 and
//! above, because it does not help biases and normalisation scales. In contrast, candle's own
//! optimiser decays all variables, does not clip and does not export its moments.

use std::collections::HashMap;

use candle_core::Tensor;
use candle_core::backprop::GradStore;
use rayon::prelude::*;
use training_kernels::Bf16;

use super::config::OptimizerConfig;
use super::slot::Slot;
use super::step_constants::StepConstants;
use super::{Parameters, clip};

/// The result of one step.
#[derive(Clone, Copy, Debug)]
pub struct StepReport {
    /// Global gradient norm before clipping.
    pub gradient_norm: f64,
    /// False if the norm was not finite. Then weights and moments did not change.
    pub applied: bool,
}

/// An optimiser over a fixed list of variables.
pub struct Optimizer {
    config: OptimizerConfig,
    parameters: Parameters,
    slots: Vec<Slot>,
    steps: u64,
    /// Set if Muon multiplies in bf16.
    bf16: Option<Bf16>,
}

impl Optimizer {
    /// All moments start at zero. `parameters` are sorted by name.
    ///
    /// # Errors
    /// If a variable is not f32.
    pub fn new(parameters: &Parameters, config: OptimizerConfig) -> anyhow::Result<Self> {
        let slots = parameters
            .iter()
            .map(|(name, var)| Slot::new(name, var, &config))
            .collect::<anyhow::Result<_>>()?;
        Ok(Self { config, parameters: parameters.clone(), slots, steps: 0, bf16: None })
    }

    /// The same, but Muon multiplies values rounded to bf16 on the CPU; with `None`, f32 values.
    pub fn with_products(self, bf16: Option<Bf16>) -> Self {
        Self { bf16, ..self }
    }

    /// Number of applied steps. The bias correction of the moments depends on it.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Updates every variable that has a gradient. Without a finite gradient norm, no variable is
    /// updated.
    ///
    /// # Errors
    /// If a tensor operation fails.
    pub fn step(
        &mut self,
        gradients: &GradStore,
        learning_rate: f64,
    ) -> candle_core::Result<StepReport> {
        let gradient_norm = clip::global_norm(gradients, &self.parameters)?;
        if !gradient_norm.is_finite() {
            return Ok(StepReport { gradient_norm, applied: false });
        }
        self.steps += 1;
        let constants = StepConstants::new(
            &self.config,
            learning_rate,
            self.steps,
            clip::factor(gradient_norm, self.config.clip_norm),
        )
        .with_products(self.bf16);
        let step = |slot: &mut Slot| match gradients.get(slot.var()) {
            Some(gradient) => slot.step(&gradient.contiguous()?, &constants),
            None => Ok(()),
        };
        match self.slots.first().is_some_and(|slot| slot.var().device().is_cpu()) {
            // One matrix per thread: they are too small for several threads.
            true => self.slots.par_iter_mut().with_max_len(1).try_for_each(step)?,
            false => self.slots.iter_mut().try_for_each(step)?,
        }
        Ok(StepReport { gradient_norm, applied: true })
    }

    /// The moments, in the shapes of their variables: `first.NAME` and `second.NAME` for AdamW,
    /// `momentum.NAME` for Muon.
    ///
    /// # Errors
    /// If a tensor cannot be created.
    pub fn state(&self) -> candle_core::Result<Vec<(String, Tensor)>> {
        let tensors =
            self.slots.iter().map(Slot::state).collect::<candle_core::Result<Vec<_>>>()?;
        Ok(tensors.into_iter().flatten().collect())
    }

    /// Continues from a saved [`state`](Self::state) after `steps` steps.
    ///
    /// # Errors
    /// If a moment is missing or has another shape. The two rules have different moments, so a run
    /// that began with Muon has to continue with it.
    pub fn restore(&mut self, tensors: &HashMap<String, Tensor>, steps: u64) -> anyhow::Result<()> {
        self.slots.iter_mut().try_for_each(|slot| slot.restore(tensors))?;
        self.steps = steps;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    /// Updates the variables with the pseudo-gradients of some steps.
    fn update(optimiser: &mut Optimizer, parameters: &Parameters, steps: std::ops::Range<usize>) {
        for step in steps {
            // The gradient of a sum of products is the other factor.
            let product = |(_, var): &(String, Var)| {
                let values: Vec<f32> = (0..var.elem_count())
                    .map(|i| ((i * i % 977 + step) as f32 * 0.71).sin())
                    .collect();
                let other = Tensor::from_vec(values, var.shape(), var.device()).unwrap();
                (var.as_tensor() * other).unwrap().sum_all().unwrap()
            };
            let products: Vec<Tensor> = parameters.iter().map(product).collect();
            let sum = Tensor::stack(&products, 0).unwrap().sum_all().unwrap();
            optimiser.step(&sum.backward().unwrap(), 0.01).unwrap();
        }
    }

    fn parameters() -> Parameters {
        let var = |dims: &[usize]| {
            let count = dims.iter().product::<usize>();
            let values: Vec<f32> = (0..count).map(|i| (i as f32 * 0.3).cos()).collect();
            Var::from_vec(values, dims, &Device::Cpu).unwrap()
        };
        let shapes: [(&str, &[usize]); 4] = [
            ("bias", &[64]),
            ("broad", &[64, 96]),
            ("kernel", &[64, 8, 3, 3]),
            ("narrow", &[32, 96]),
        ];
        shapes.map(|(name, dims)| (name.to_string(), var(dims))).to_vec()
    }

    fn values(parameters: &Parameters, name: &str) -> Vec<f32> {
        let (_, var) = parameters.iter().find(|(own, _)| own == name).unwrap();
        var.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn muon_updates_hidden_matrices_with_the_rms_of_adamw_and_leaves_the_rest() {
        let plain = OptimizerConfig { clip_norm: 1e9, ..OptimizerConfig::default() };
        let muon = OptimizerConfig { muon_momentum: 0.95, ..plain.clone() };
        let [by_adamw, by_muon] = [plain, muon].map(|config| {
            let parameters = parameters();
            update(&mut Optimizer::new(&parameters, config).unwrap(), &parameters, 0..1);
            parameters
        });
        for name in ["bias", "narrow"] {
            assert_eq!(values(&by_adamw, name), values(&by_muon, name), "{name}");
        }
        for name in ["broad", "kernel"] {
            let before = values(&parameters(), name);
            let after = values(&by_muon, name);
            let squares =
                before.iter().zip(&after).map(|(b, a)| (a - b * (1.0 - 0.01 * 0.01)).powi(2));
            let rms = (squares.sum::<f32>() / before.len() as f32).sqrt();
            assert!((0.5..1.1).contains(&(rms / (0.2 * 0.01))), "{name}: {rms}");
            assert_ne!(values(&by_adamw, name), after);
        }
    }

    #[test]
    fn a_restored_optimizer_continues_bit_for_bit() {
        continues(None);
        continues(Bf16::detect());
    }

    fn continues(bf16: Option<Bf16>) {
        let config = OptimizerConfig { muon_momentum: 0.95, ..OptimizerConfig::default() };
        let whole = parameters();
        update(
            &mut Optimizer::new(&whole, config.clone()).unwrap().with_products(bf16),
            &whole,
            0..6,
        );
        let halves = parameters();
        let mut first = Optimizer::new(&halves, config.clone()).unwrap().with_products(bf16);
        update(&mut first, &halves, 0..3);
        let mut second = Optimizer::new(&halves, config).unwrap().with_products(bf16);
        second.restore(&first.state().unwrap().into_iter().collect(), first.steps()).unwrap();
        update(&mut second, &halves, 3..6);
        for (name, _) in &whole {
            assert_eq!(values(&whole, name), values(&halves, name), "{name}");
        }
        // The two rules have different moments.
        let mut other = Optimizer::new(&halves, OptimizerConfig::default()).unwrap();
        let error = other
            .restore(&second.state().unwrap().into_iter().collect(), 6)
            .unwrap_err()
            .to_string();
        assert!(error.contains("first.broad") && error.contains("muon_momentum"), "{error}");
    }
}
