//! AdamW (Loshchilov and Hutter 2019), in place and resumable.
//!
//! Weight decay is decoupled and touches matrices and kernels only (rank >= 2): pulling biases and
//! normalisation scales to zero helps nobody. candle's own optimiser decays everything, does not
//! clip, keeps its moments to itself and takes 140 to 290 ms a step for 12 M parameters; one pass
//! over each tensor takes 12. Broad matrices can be moved by [`muon`](super::muon) instead.

use std::collections::HashMap;

use candle_core::Tensor;
use candle_core::backprop::GradStore;
use engine::nn::candle::Bf16;
use rayon::prelude::*;

use super::config::AdamWConfig;
use super::slot::Slot;
use super::update::Update;
use super::{Parameters, clip};

/// What one step did.
#[derive(Clone, Copy, Debug)]
pub struct StepReport {
    /// Global gradient norm before clipping.
    pub gradient_norm: f64,
    /// False where the norm was not finite: weights and moments are as before.
    pub applied: bool,
}

/// AdamW with clipping over a fixed list of variables.
pub struct AdamW {
    config: AdamWConfig,
    parameters: Parameters,
    slots: Vec<Slot>,
    steps: u64,
    /// Set where Muon multiplies in bf16.
    bf16: Option<Bf16>,
}

impl AdamW {
    /// Moments start at zero. `parameters` are f32 and sorted by name.
    pub fn new(parameters: &Parameters, config: AdamWConfig) -> anyhow::Result<Self> {
        let slots = parameters
            .iter()
            .map(|(name, var)| Slot::new(name, var, &config))
            .collect::<anyhow::Result<_>>()?;
        Ok(Self { config, parameters: parameters.clone(), slots, steps: 0, bf16: None })
    }

    /// The same, whose Muon multiplies values rounded to bf16 on the CPU; of f32 for `None`.
    pub fn with_products(self, bf16: Option<Bf16>) -> Self {
        Self { bf16, ..self }
    }

    /// Steps taken (they set the moments' bias correction).
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Moves every variable that has a gradient. A gradient that is not finite moves nothing, and
    /// says so.
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
        let update = Update::new(
            &self.config,
            learning_rate,
            self.steps,
            clip::factor(gradient_norm, self.config.clip_norm),
        )
        .with_products(self.bf16);
        let step = |slot: &mut Slot| match gradients.get(slot.var()) {
            Some(gradient) => slot.step(&gradient.contiguous()?, &update),
            None => Ok(()),
        };
        match self.slots.first().is_some_and(|slot| slot.var().device().is_cpu()) {
            // One matrix a thread: they are too small for several.
            true => self.slots.par_iter_mut().with_max_len(1).try_for_each(step)?,
            false => self.slots.iter_mut().try_for_each(step)?,
        }
        Ok(StepReport { gradient_norm, applied: true })
    }

    /// The moments as `first.NAME` and `second.NAME`, or `momentum.NAME` of what Muon moves, in the
    /// shapes of their variables.
    pub fn state(&self) -> candle_core::Result<Vec<(String, Tensor)>> {
        let tensors =
            self.slots.iter().map(Slot::state).collect::<candle_core::Result<Vec<_>>>()?;
        Ok(tensors.into_iter().flatten().collect())
    }

    /// Goes on from a saved [`state`](Self::state) after `steps` steps. One optimiser cannot read
    /// what the other remembers: a run that began with Muon goes on with it.
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

    /// Variables with a broad matrix among them, moved by so many steps of pseudo-gradients from
    /// the `first` on.
    fn moved(optimiser: &mut AdamW, parameters: &Parameters, steps: std::ops::Range<usize>) {
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
    fn muon_moves_broad_matrices_as_far_as_adamw_would_and_nothing_else() {
        let plain = AdamWConfig { clip_norm: 1e9, ..AdamWConfig::default() };
        let muon = AdamWConfig { muon_momentum: 0.95, ..plain.clone() };
        let [by_adamw, by_muon] = [plain, muon].map(|config| {
            let parameters = parameters();
            moved(&mut AdamW::new(&parameters, config).unwrap(), &parameters, 0..1);
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
    fn a_restored_muon_goes_on_bit_for_bit() {
        goes_on(None);
        goes_on(Bf16::detect());
    }

    fn goes_on(bf16: Option<Bf16>) {
        let config = AdamWConfig { muon_momentum: 0.95, ..AdamWConfig::default() };
        let whole = parameters();
        moved(&mut AdamW::new(&whole, config.clone()).unwrap().with_products(bf16), &whole, 0..6);
        let halves = parameters();
        let mut first = AdamW::new(&halves, config.clone()).unwrap().with_products(bf16);
        moved(&mut first, &halves, 0..3);
        let mut second = AdamW::new(&halves, config).unwrap().with_products(bf16);
        second.restore(&first.state().unwrap().into_iter().collect(), first.steps()).unwrap();
        moved(&mut second, &halves, 3..6);
        for (name, _) in &whole {
            assert_eq!(values(&whole, name), values(&halves, name), "{name}");
        }
        // What one optimiser remembers means nothing to the other.
        let mut other = AdamW::new(&halves, AdamWConfig::default()).unwrap();
        let error = other
            .restore(&second.state().unwrap().into_iter().collect(), 6)
            .unwrap_err()
            .to_string();
        assert!(error.contains("first.broad") && error.contains("muon_momentum"), "{error}");
    }
}
