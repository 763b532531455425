//! The numbers of one step, and what they do to a variable: in one pass on the CPU, by tensor
//! operations elsewhere.

use candle_core::{Tensor, Var};
use engine::nn::candle::Bf16;

use super::config::AdamWConfig;
use super::in_place::in_place;
use super::muon;

/// The numbers of one step.
#[derive(Clone, Copy)]
pub struct Update {
    beta1: f32,
    beta2: f32,
    epsilon: f32,
    learning_rate: f32,
    /// `1 - lr * weight_decay`, or 1 where nothing decays.
    keep: f32,
    /// 0 where AdamW moves everything.
    muon_momentum: f64,
    /// Clipping.
    gradient_factor: f32,
    /// `1 / (1 - beta^t)`.
    correction1: f32,
    correction2: f32,
    /// Set where Muon multiplies in bf16.
    bf16: Option<Bf16>,
}

impl Update {
    /// Those of step `steps` (the first is 1); gradients are multiplied with `gradient_factor`.
    pub fn new(config: &AdamWConfig, learning_rate: f64, steps: u64, gradient_factor: f64) -> Self {
        let correction =
            |beta: f64| (1.0 / (1.0 - beta.powi(steps.min(i32::MAX as u64) as i32))) as f32;
        Self {
            beta1: config.beta1 as f32,
            beta2: config.beta2 as f32,
            epsilon: config.epsilon as f32,
            learning_rate: learning_rate as f32,
            keep: (1.0 - learning_rate * config.weight_decay) as f32,
            gradient_factor: gradient_factor as f32,
            muon_momentum: config.muon_momentum,
            correction1: correction(config.beta1),
            correction2: correction(config.beta2),
            bf16: None,
        }
    }

    /// The same, whose Muon multiplies values rounded to bf16 on the CPU; of f32 for `None`.
    pub fn with_products(self, bf16: Option<Bf16>) -> Self {
        Self { bf16, ..self }
    }

    /// The same for what does not decay.
    pub fn without_decay(self) -> Self {
        Self { keep: 1.0, ..self }
    }

    /// AdamW's step on the CPU, in one pass over the variable, its gradient and its moments.
    pub fn on_host(
        &self,
        var: &Var,
        gradient: &Tensor,
        first: &mut [f32],
        second: &mut [f32],
    ) -> candle_core::Result<()> {
        in_place(var, gradient, |values, gradient| {
            for (((value, &gradient), first), second) in
                values.iter_mut().zip(gradient).zip(first).zip(second)
            {
                let gradient = gradient * self.gradient_factor;
                *first = self.beta1 * *first + (1.0 - self.beta1) * gradient;
                *second = self.beta2 * *second + (1.0 - self.beta2) * gradient * gradient;
                let direction = *first * self.correction1
                    / ((*second * self.correction2).sqrt() + self.epsilon);
                *value = *value * self.keep - self.learning_rate * direction;
            }
        })
    }

    /// Muon's step on the CPU: Nesterov's momentum, made orthogonal.
    pub fn muon_on_host(
        &self,
        var: &Var,
        gradient: &Tensor,
        momentum: &mut [f32],
    ) -> candle_core::Result<()> {
        let (rows, decay) = (var.dim(0)?, self.muon_momentum as f32);
        in_place(var, gradient, |values, gradient| {
            let ahead = momentum.iter_mut().zip(gradient).map(|(momentum, gradient)| {
                let gradient = gradient * self.gradient_factor;
                *momentum = decay * *momentum + gradient;
                gradient + decay * *momentum
            });
            let ahead: Vec<f32> = ahead.collect();
            let step = muon::update_on_host(&ahead, rows, ahead.len() / rows, self.bf16);
            for (value, step) in values.iter_mut().zip(&step) {
                *value = *value * self.keep - self.learning_rate * step;
            }
        })
    }

    /// Muon's step by tensor operations.
    pub fn muon_on_device(
        &self,
        var: &Var,
        gradient: &Tensor,
        momentum: &mut Tensor,
    ) -> candle_core::Result<()> {
        let gradient = gradient.detach().affine(f64::from(self.gradient_factor), 0.0)?;
        *momentum = momentum.affine(self.muon_momentum, 0.0)?.add(&gradient)?;
        let ahead = gradient.add(&momentum.affine(self.muon_momentum, 0.0)?)?;
        let step = muon::update(&ahead)?.affine(f64::from(self.learning_rate), 0.0)?;
        var.set(&var.as_detached_tensor().affine(f64::from(self.keep), 0.0)?.sub(&step)?)
    }

    /// AdamW's step by tensor operations, for devices where there is no pass of ours.
    pub fn on_device(
        &self,
        var: &Var,
        gradient: &Tensor,
        first: &mut Tensor,
        second: &mut Tensor,
    ) -> candle_core::Result<()> {
        let gradient = gradient.detach().affine(f64::from(self.gradient_factor), 0.0)?;
        let blend = |old: &Tensor, new: &Tensor, beta: f32| {
            old.affine(f64::from(beta), 0.0)? + new.affine(f64::from(1.0 - beta), 0.0)?
        };
        *first = blend(first, &gradient, self.beta1)?;
        *second = blend(second, &gradient.sqr()?, self.beta2)?;
        let denominator = second
            .affine(f64::from(self.correction2), 0.0)?
            .sqrt()?
            .affine(1.0, f64::from(self.epsilon))?;
        let direction = first
            .affine(f64::from(self.learning_rate * self.correction1), 0.0)?
            .div(&denominator)?;
        var.set(&var.as_detached_tensor().affine(f64::from(self.keep), 0.0)?.sub(&direction)?)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    /// The two paths differ only in rounding.
    #[test]
    fn tensor_operations_step_as_the_fused_pass() {
        let device = Device::Cpu;
        let start: Vec<f32> = (0..12).map(|i| (i as f32 * 0.7).sin()).collect();
        let fused = Var::from_slice(&start, (3, 4), &device).unwrap();
        let plain = Var::from_slice(&start, (3, 4), &device).unwrap();
        let (mut first, mut second) = (plain.zeros_like().unwrap(), plain.zeros_like().unwrap());
        let mut moments = [vec![0.0; 12], vec![0.0; 12]];
        let config = AdamWConfig { weight_decay: 0.1, ..AdamWConfig::default() };
        for step in 1..=20 {
            let gradient: Vec<f32> = (0..12).map(|i| ((i * step) as f32).cos()).collect();
            let gradient = Tensor::from_slice(&gradient, (3, 4), &device).unwrap();
            let update = Update::new(&config, 0.01, step as u64, 0.5);
            let [first_on_host, second_on_host] = &mut moments;
            update.on_host(&fused, &gradient, first_on_host, second_on_host).unwrap();
            update.on_device(&plain, &gradient, &mut first, &mut second).unwrap();
        }
        let difference =
            (fused.as_tensor() - plain.as_tensor()).unwrap().abs().unwrap().max_all().unwrap();
        assert!(difference.to_scalar::<f32>().unwrap() < 1e-6);
    }

    /// Muon's, whose two ways differ in the order of the products too.
    #[test]
    fn tensor_operations_step_as_the_fused_muon() {
        let start: Vec<f32> = (0..80 * 96).map(|i| (i as f32 * 0.7).sin()).collect();
        let var = || Var::from_slice(&start, (80, 96), &Device::Cpu).unwrap();
        let (fused, plain) = (var(), var());
        let (mut on_host, mut momentum) = (vec![0.0; start.len()], plain.zeros_like().unwrap());
        let config =
            AdamWConfig { weight_decay: 0.1, muon_momentum: 0.95, ..AdamWConfig::default() };
        for step in 1..=5 {
            let gradient: Vec<f32> =
                (0..start.len()).map(|i| ((i * i * step) as f32).cos()).collect();
            let gradient = Tensor::from_slice(&gradient, (80, 96), &Device::Cpu).unwrap();
            let update = Update::new(&config, 0.01, step as u64, 0.5);
            update.muon_on_host(&fused, &gradient, &mut on_host).unwrap();
            update.muon_on_device(&plain, &gradient, &mut momentum).unwrap();
        }
        let difference =
            (fused.as_tensor() - plain.as_tensor()).unwrap().abs().unwrap().max_all().unwrap();
        assert!(difference.to_scalar::<f32>().unwrap() < 1e-4, "{difference}");
    }
}
