//! Which products this machine computes faster.

use std::time::{Duration, Instant};

use engine::nn::ConvSpec;
use engine::nn::candle::{ConvKernel, F32Conv};
use engine::nn::kernels::ConvShape;

use super::Bf16;

/// A convolution of the denoiser's finest resolution: latents, their side, and channels.
const BATCH: usize = 6;
const SIDE: usize = 16;
const CHANNELS: usize = 64;
/// Measurements of a kernel; the shortest one counts, the others may have been interrupted.
const REPEATS: usize = 4;

impl Bf16 {
    /// The fastest unit of this machine, if its convolutions are faster than those of f32.
    ///
    /// It is measured by each call, in about 0.1 s: two calls may differ where both are about as
    /// fast. A training run calls it once and keeps the choice.
    pub fn faster_than_f32() -> Option<Self> {
        let unit = Self::detect()?;
        let convolution = Convolution::new();
        (convolution.shortest(&unit) < convolution.shortest(&F32Conv)).then_some(unit)
    }
}

struct Convolution {
    shape: ConvShape,
    x: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Convolution {
    fn new() -> Self {
        let shape = ConvShape { spec: ConvSpec::conv(CHANNELS, CHANNELS, 3, 1), h: SIDE, w: SIDE };
        let values =
            |count: usize| (0..count).map(|i| (i * 7919 % 2003) as f32 / 1001.0 - 1.0).collect();
        let x = values(BATCH * shape.input_len());
        Self { shape, x, weight: values(CHANNELS * shape.patch()), bias: values(CHANNELS) }
    }

    fn shortest(&self, kernel: &dyn ConvKernel) -> Duration {
        (0..REPEATS).map(|_| self.time(kernel)).min().unwrap_or(Duration::MAX)
    }

    /// A forward pass and all gradients.
    fn time(&self, kernel: &dyn ConvKernel) -> Duration {
        let start = Instant::now();
        let y = kernel.forward(self.shape, &self.x, &self.weight, &self.bias);
        kernel.input_gradient(self.shape, &y, &self.weight);
        kernel.weight_gradient(self.shape, &self.x, &y);
        start.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choice_is_a_unit_of_this_machine_or_f32() {
        let choice = Bf16::faster_than_f32();
        assert!(choice.is_none_or(|unit| Some(unit.name()) == Bf16::detect().map(Bf16::name)));
        println!("measured: {}", choice.map_or("f32", Bf16::name));
    }
}
