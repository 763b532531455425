//! AdamW (I. Loshchilov and F. Hutter, *Decoupled weight decay regularization*, 2019).

use candle_core::{Device, Result, Tensor, Var};

use super::in_place::in_place;
use super::step_constants::StepConstants;

/// The first and second moment of one variable, on the variable's device.
pub enum AdamW {
    /// For a variable on the CPU.
    Host {
        /// First moment.
        first: Vec<f32>,
        /// Second moment.
        second: Vec<f32>,
    },
    /// For a variable on another device.
    Device {
        /// First moment.
        first: Tensor,
        /// Second moment.
        second: Tensor,
    },
}

impl AdamW {
    /// From both moments.
    ///
    /// # Errors
    /// If they cannot be copied to the device.
    pub fn new(first: Tensor, second: Tensor, device: &Device) -> Result<Self> {
        Ok(match device.is_cpu() {
            true => Self::Host {
                first: first.flatten_all()?.to_vec1()?,
                second: second.flatten_all()?.to_vec1()?,
            },
            false => {
                Self::Device { first: first.to_device(device)?, second: second.to_device(device)? }
            }
        })
    }

    /// Updates the variable and both moments.
    ///
    /// # Errors
    /// If a tensor operation fails.
    pub fn step(&mut self, var: &Var, gradient: &Tensor, step: &StepConstants) -> Result<()> {
        match self {
            Self::Host { first, second } => step_on_host(var, gradient, first, second, step),
            Self::Device { first, second } => step_on_device(var, gradient, first, second, step),
        }
    }

    /// Both moments in the shape of the variable, by their names in a saved state.
    ///
    /// # Errors
    /// If a tensor cannot be created.
    pub fn state(&self, var: &Var) -> Result<Vec<(&'static str, Tensor)>> {
        let [first, second] = match self {
            Self::Host { first, second } => {
                let tensor = |values| Tensor::from_slice(values, var.shape(), &Device::Cpu);
                [tensor(first.as_slice())?, tensor(second.as_slice())?]
            }
            Self::Device { first, second } => [first.clone(), second.clone()],
        };
        Ok(vec![("first", first), ("second", second)])
    }
}

/// One pass over the variable, its gradient and its moments.
fn step_on_host(
    var: &Var,
    gradient: &Tensor,
    first: &mut [f32],
    second: &mut [f32],
    step: &StepConstants,
) -> Result<()> {
    in_place(var, gradient, |values, gradient| {
        for (((value, &gradient), first), second) in
            values.iter_mut().zip(gradient).zip(first).zip(second)
        {
            let gradient = gradient * step.gradient_factor;
            *first = step.beta1 * *first + (1.0 - step.beta1) * gradient;
            *second = step.beta2 * *second + (1.0 - step.beta2) * gradient * gradient;
            let direction =
                *first * step.correction1 / ((*second * step.correction2).sqrt() + step.epsilon);
            *value = *value * step.decay_factor - step.learning_rate * direction;
        }
    })
}

/// The same with tensor operations.
fn step_on_device(
    var: &Var,
    gradient: &Tensor,
    first: &mut Tensor,
    second: &mut Tensor,
    step: &StepConstants,
) -> Result<()> {
    let gradient = gradient.detach().affine(f64::from(step.gradient_factor), 0.0)?;
    let blend = |old: &Tensor, new: &Tensor, beta: f32| {
        old.affine(f64::from(beta), 0.0)? + new.affine(f64::from(1.0 - beta), 0.0)?
    };
    *first = blend(first, &gradient, step.beta1)?;
    *second = blend(second, &gradient.sqr()?, step.beta2)?;
    let denominator = second
        .affine(f64::from(step.correction2), 0.0)?
        .sqrt()?
        .affine(1.0, f64::from(step.epsilon))?;
    let direction =
        first.affine(f64::from(step.learning_rate * step.correction1), 0.0)?.div(&denominator)?;
    var.set(&var.as_detached_tensor().affine(f64::from(step.decay_factor), 0.0)?.sub(&direction)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::OptimizerConfig;

    /// The two implementations differ only in rounding.
    #[test]
    fn tensor_operations_step_as_the_fused_pass() {
        let device = Device::Cpu;
        let start: Vec<f32> = (0..12).map(|i| (i as f32 * 0.7).sin()).collect();
        let fused = Var::from_slice(&start, (3, 4), &device).unwrap();
        let plain = Var::from_slice(&start, (3, 4), &device).unwrap();
        let (mut first, mut second) = (plain.zeros_like().unwrap(), plain.zeros_like().unwrap());
        let mut moments = [vec![0.0; 12], vec![0.0; 12]];
        let config = OptimizerConfig { weight_decay: 0.1, ..OptimizerConfig::default() };
        for step in 1..=20 {
            let gradient: Vec<f32> = (0..12).map(|i| ((i * step) as f32).cos()).collect();
            let gradient = Tensor::from_slice(&gradient, (3, 4), &device).unwrap();
            let constants = StepConstants::new(&config, 0.01, step as u64, 0.5);
            let [first_on_host, second_on_host] = &mut moments;
            step_on_host(&fused, &gradient, first_on_host, second_on_host, &constants).unwrap();
            step_on_device(&plain, &gradient, &mut first, &mut second, &constants).unwrap();
        }
        let difference =
            (fused.as_tensor() - plain.as_tensor()).unwrap().abs().unwrap().max_all().unwrap();
        assert!(difference.to_scalar::<f32>().unwrap() < 1e-6);
    }
}
