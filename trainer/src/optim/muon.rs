//! Muon (K. Jordan et al. 2024, kellerjordan.github.io/posts/muon): orthogonalised momentum.
//!
//! A few large singular values dominate a gradient, so it moves a matrix in few directions.
//! With all singular values near 1, the update moves it in all directions. The size of the update
//! is scaled to that of AdamW (J. Liu et al. 2025, arXiv 2502.16982), so that one learning rate and
//! one weight decay serve both rules.

use candle_core::{Device, Result, Tensor, Var};

use super::in_place::in_place;
use super::newton_schulz;
use super::step_constants::StepConstants;

/// The momentum of one matrix, on the variable's device.
pub enum Muon {
    /// For a variable on the CPU.
    Host(Vec<f32>),
    /// For a variable on another device.
    Device(Tensor),
}

impl Muon {
    /// From the momentum.
    ///
    /// # Errors
    /// If it cannot be copied to the device.
    pub fn new(momentum: Tensor, device: &Device) -> Result<Self> {
        Ok(match device.is_cpu() {
            true => Self::Host(momentum.flatten_all()?.to_vec1()?),
            false => Self::Device(momentum.to_device(device)?),
        })
    }

    /// Updates the variable and its momentum.
    ///
    /// # Errors
    /// If a tensor operation fails.
    pub fn step(&mut self, var: &Var, gradient: &Tensor, step: &StepConstants) -> Result<()> {
        match self {
            Self::Host(momentum) => step_on_host(var, gradient, momentum, step),
            Self::Device(momentum) => step_on_device(var, gradient, momentum, step),
        }
    }

    /// The momentum in the shape of the variable, by its name in a saved state.
    ///
    /// # Errors
    /// If the tensor cannot be created.
    pub fn state(&self, var: &Var) -> Result<Vec<(&'static str, Tensor)>> {
        let momentum = match self {
            Self::Host(momentum) => {
                Tensor::from_slice(momentum.as_slice(), var.shape(), &Device::Cpu)?
            }
            Self::Device(momentum) => momentum.clone(),
        };
        Ok(vec![("momentum", momentum)])
    }
}

/// Nesterov momentum, orthogonalised, on one thread.
fn step_on_host(
    var: &Var,
    gradient: &Tensor,
    momentum: &mut [f32],
    step: &StepConstants,
) -> Result<()> {
    let (rows, decay) = (var.dim(0)?, step.muon_momentum as f32);
    in_place(var, gradient, |values, gradient| {
        let nesterov = momentum.iter_mut().zip(gradient).map(|(momentum, gradient)| {
            let gradient = gradient * step.gradient_factor;
            *momentum = decay * *momentum + gradient;
            gradient + decay * *momentum
        });
        let nesterov: Vec<f32> = nesterov.collect();
        let columns = nesterov.len() / rows;
        let update = newton_schulz::update_on_host(&nesterov, rows, columns, step.bf16);
        for (value, update) in values.iter_mut().zip(&update) {
            *value = *value * step.decay_factor - step.learning_rate * update;
        }
    })
}

/// The same with tensor operations.
fn step_on_device(
    var: &Var,
    gradient: &Tensor,
    momentum: &mut Tensor,
    step: &StepConstants,
) -> Result<()> {
    let gradient = gradient.detach().affine(f64::from(step.gradient_factor), 0.0)?;
    *momentum = momentum.affine(step.muon_momentum, 0.0)?.add(&gradient)?;
    let nesterov = gradient.add(&momentum.affine(step.muon_momentum, 0.0)?)?;
    let update = newton_schulz::update(&nesterov)?.affine(f64::from(step.learning_rate), 0.0)?;
    var.set(&var.as_detached_tensor().affine(f64::from(step.decay_factor), 0.0)?.sub(&update)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::OptimizerConfig;

    /// The two implementations differ in rounding and in the order of their products.
    #[test]
    fn tensor_operations_step_as_the_fused_muon() {
        let start: Vec<f32> = (0..80 * 96).map(|i| (i as f32 * 0.7).sin()).collect();
        let var = || Var::from_slice(&start, (80, 96), &Device::Cpu).unwrap();
        let (fused, plain) = (var(), var());
        let (mut on_host, mut momentum) = (vec![0.0; start.len()], plain.zeros_like().unwrap());
        let config =
            OptimizerConfig { weight_decay: 0.1, muon_momentum: 0.95, ..Default::default() };
        for step in 1..=5 {
            let gradient: Vec<f32> =
                (0..start.len()).map(|i| ((i * i * step) as f32).cos()).collect();
            let gradient = Tensor::from_slice(&gradient, (80, 96), &Device::Cpu).unwrap();
            let constants = StepConstants::new(&config, 0.01, step as u64, 0.5);
            step_on_host(&fused, &gradient, &mut on_host, &constants).unwrap();
            step_on_device(&plain, &gradient, &mut momentum, &constants).unwrap();
        }
        let difference =
            (fused.as_tensor() - plain.as_tensor()).unwrap().abs().unwrap().max_all().unwrap();
        assert!(difference.to_scalar::<f32>().unwrap() < 1e-4, "{difference}");
    }
}
