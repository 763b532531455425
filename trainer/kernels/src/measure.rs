//! Measures whether bf16 or f32 is faster on this CPU.

use std::time::{Duration, Instant};

use engine::nn::ConvSpec;
use engine::nn::candle::{ConvKernel, F32Conv};
use engine::nn::kernels::ConvShape;
use rayon::ThreadPoolBuilder;

use super::Bf16;

// A convolution of the denoiser at its finest resolution.

/// Number of latents.
const BATCH: usize = 2;
/// Height and width of a latent.
const SIDE: usize = 16;
const CHANNELS: usize = 64;
/// Measurements of a kernel. The shortest counts, because others may have been interrupted.
const REPEATS: usize = 20;

impl Bf16 {
    /// The fastest unit of this CPU, if its convolutions are faster than those in f32.
    ///
    /// Each call measures both, so the results of two calls can differ. A training run calls this
    /// once.
    pub fn faster_than_f32() -> Option<Self> {
        let unit = Self::detect()?;
        // On one thread: several threads wait for the slowest, which other processes delay.
        let thread = ThreadPoolBuilder::new().num_threads(1).build().ok()?;
        let [bf16, f32] = thread.install(|| Convolution::new().shortest([&unit, &F32Conv]));
        (bf16 < f32).then_some(unit)
    }
}

/// A convolution and its inputs.
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

    /// The shortest duration of each kernel. The kernels alternate, so that both run under the
    /// same load.
    fn shortest(&self, kernels: [&dyn ConvKernel; 2]) -> [Duration; 2] {
        (0..REPEATS).fold([Duration::MAX; 2], |shortest, _| {
            std::array::from_fn(|i| shortest[i].min(self.time(kernels[i])))
        })
    }

    /// Duration of a forward pass and all gradients.
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
