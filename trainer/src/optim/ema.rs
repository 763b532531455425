//! Exponential moving average of the weights (Polyak and Juditsky 1992) with a warm-up of the decay.

use std::collections::HashMap;

use anyhow::Context;
use candle_core::{Tensor, Var};

use super::Parameters;
use super::in_place::in_place;

/// The moving average of some variables.
pub struct Ema {
    decay: f64,
    parameters: Parameters,
    average: Vec<Var>,
}

impl Ema {
    /// Starts at the variables' values. `decay` is in `[0, 1)`; with 0 the average is equal to the
    /// variables.
    ///
    /// # Errors
    /// If a tensor cannot be copied.
    pub fn new(parameters: &Parameters, decay: f64) -> candle_core::Result<Self> {
        let average =
            parameters.iter().map(|(_, var)| Var::from_tensor(&var.as_detached_tensor().copy()?));
        Ok(Self {
            decay,
            average: average.collect::<candle_core::Result<_>>()?,
            parameters: parameters.clone(),
        })
    }

    /// The decay after `step` steps. It is small at first, to forget the random initial weights.
    pub fn decay_at(&self, step: u64) -> f64 {
        self.decay.min((1.0 + step as f64) / (10.0 + step as f64))
    }

    /// Updates the average after step `step`, counted from 0.
    ///
    /// # Errors
    /// If a tensor operation fails.
    pub fn update(&mut self, step: u64) -> candle_core::Result<()> {
        let share = 1.0 - self.decay_at(step);
        for ((_, var), average) in self.parameters.iter().zip(&self.average) {
            if var.device().is_cpu() {
                let share = share as f32;
                in_place(average, var.as_tensor(), |average, values| {
                    for (average, value) in average.iter_mut().zip(values) {
                        *average += share * (value - *average);
                    }
                })?;
            } else {
                let (old, new) = (average.as_detached_tensor(), var.as_detached_tensor());
                average.set(&(old.affine(1.0 - share, 0.0)? + new.affine(share, 0.0)?)?)?;
            }
        }
        Ok(())
    }

    /// Swaps the average with the variables, for validation and export. A second call swaps back.
    ///
    /// # Errors
    /// If a tensor cannot be copied.
    pub fn swap(&self) -> candle_core::Result<()> {
        for ((_, var), average) in self.parameters.iter().zip(&self.average) {
            let trained = var.as_detached_tensor().copy()?;
            var.set(&average.as_detached_tensor())?;
            average.set(&trained)?;
        }
        Ok(())
    }

    /// The average, named `ema.<variable>`.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        let names = self.parameters.iter().map(|(name, _)| format!("ema.{name}"));
        names.zip(self.average.iter().map(Var::as_detached_tensor)).collect()
    }

    /// Restores a saved [`state`](Self::state).
    ///
    /// # Errors
    /// If a tensor is missing or has another shape.
    pub fn restore(&mut self, tensors: &HashMap<String, Tensor>) -> anyhow::Result<()> {
        for ((name, _), average) in self.parameters.iter().zip(&self.average) {
            let tensor = tensors
                .get(&format!("ema.{name}"))
                .with_context(|| format!("state: expected `ema.{name}`, found none"))?;
            average
                .set(&tensor.to_device(average.device())?)
                .with_context(|| format!("state: `ema.{name}`"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn the_average_lags_and_swaps_back() {
        let var = Var::new(&[0.0f32, 10.0], &Device::Cpu).unwrap();
        let mut ema = Ema::new(&vec![("w".into(), var.clone())], 0.9).unwrap();
        var.set(&Tensor::new(&[1.0f32, 10.0], &Device::Cpu).unwrap()).unwrap();
        ema.update(1000).unwrap();
        ema.swap().unwrap();
        let values = var.to_vec1::<f32>().unwrap();
        assert!((values[0] - 0.1).abs() < 1e-6 && values[1] == 10.0, "{values:?}");
        ema.swap().unwrap();
        assert_eq!(var.to_vec1::<f32>().unwrap(), [1.0, 10.0]);
        assert!((ema.decay_at(0) - 0.1).abs() < 1e-12, "a new average follows fast");
    }
}
