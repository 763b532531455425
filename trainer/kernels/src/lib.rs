//! Convolutions and products of bf16 values, summed in f32 (Kalamkar et al. 2019, arXiv
//! 1905.12322): on CPUs with AVX512-BF16 at up to twice the rate of f32, on those with AMX-BF16 at
//! several times that.
//!
//! There is no matrix of patches: images are rounded into a margin of zeros, and products read them
//! where a patch's lines lie. The gradient of a weight alone has them laid out once for each column
//! of the kernel.

mod blocks;
mod conv;
mod kernel;
mod measure;
mod memory;
mod padded;
mod panels;
mod product;
mod weight_gradient;

use engine::nn::candle::ConvKernel;
use engine::nn::kernels::ConvShape;
pub use kernel::Bf16;
pub use product::{Part, product};

/// Values are rounded to bf16, sums are f32.
impl ConvKernel for Bf16 {
    fn forward(&self, shape: ConvShape, x: &[f32], weight: &[f32], bias: &[f32]) -> Vec<f32> {
        conv::forward(*self, shape, x, weight, bias)
    }

    fn input_gradient(&self, shape: ConvShape, dy: &[f32], weight: &[f32]) -> Vec<f32> {
        conv::input_gradient(*self, shape, dy, weight)
    }

    fn weight_gradient(&self, shape: ConvShape, x: &[f32], dy: &[f32]) -> (Vec<f32>, Vec<f32>) {
        weight_gradient::weight_gradient(*self, shape, x, dy)
    }
}

/// The nearest bf16, ties to even; what is not a number stays so. `half`'s own does the same and,
/// with two branches, takes half as long again.
#[inline(always)]
fn rounded(x: f32) -> u16 {
    let bits = x.to_bits();
    let nearest = (bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16) as u16;
    if x.is_nan() { 0x7fc0 } else { nearest }
}

/// Two values side by side, as the instruction takes them.
#[inline(always)]
fn pair(first: f32, second: f32) -> u32 {
    u32::from(rounded(first)) | u32::from(rounded(second)) << 16
}

#[cfg(test)]
mod tests;
