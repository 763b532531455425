//! The constants of one optimiser step.

use training_kernels::Bf16;

use super::config::OptimizerConfig;

/// Constants that both update rules read.
#[derive(Clone, Copy)]
pub struct StepConstants {
    pub(super) learning_rate: f32,
    /// `1 - learning_rate * weight_decay`, or 1 without decay.
    pub(super) decay_factor: f32,
    /// Factor of the gradient from clipping.
    pub(super) gradient_factor: f32,
    pub(super) beta1: f32,
    pub(super) beta2: f32,
    pub(super) epsilon: f32,
    /// `1 / (1 - beta1^t)`.
    pub(super) correction1: f32,
    /// `1 / (1 - beta2^t)`.
    pub(super) correction2: f32,
    /// 0 if AdamW updates all variables.
    pub(super) muon_momentum: f64,
    /// Set if Muon multiplies in bf16.
    pub(super) bf16: Option<Bf16>,
}

impl StepConstants {
    /// The constants of step number `steps`, counted from 1. Gradients are multiplied by
    /// `gradient_factor`.
    pub fn new(
        config: &OptimizerConfig,
        learning_rate: f64,
        steps: u64,
        gradient_factor: f64,
    ) -> Self {
        let correction =
            |beta: f64| (1.0 / (1.0 - beta.powi(steps.min(i32::MAX as u64) as i32))) as f32;
        Self {
            learning_rate: learning_rate as f32,
            decay_factor: (1.0 - learning_rate * config.weight_decay) as f32,
            gradient_factor: gradient_factor as f32,
            beta1: config.beta1 as f32,
            beta2: config.beta2 as f32,
            epsilon: config.epsilon as f32,
            correction1: correction(config.beta1),
            correction2: correction(config.beta2),
            muon_momentum: config.muon_momentum,
            bf16: None,
        }
    }

    /// The same, but Muon multiplies values rounded to bf16 on the CPU; with `None`, f32 values.
    pub fn with_products(self, bf16: Option<Bf16>) -> Self {
        Self { bf16, ..self }
    }

    /// The same without weight decay.
    pub fn without_decay(self) -> Self {
        Self { decay_factor: 1.0, ..self }
    }
}
