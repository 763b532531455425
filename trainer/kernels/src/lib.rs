//! Convolutions and matrix products of bf16 values, summed in f32 (Kalamkar et al. 2019, arXiv
//! 1905.12322), for CPUs with AVX512-BF16 or AMX-BF16. See docs/decisions/045-bf16-kernels.md.
//!
//! There is no matrix of patches. Images are rounded and padded with zeros, and products read the
//! lines of a patch in place. Only the gradient of a weight copies the images, once for each column
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

/// Rounds values to bf16 and sums in f32.
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

/// Bits of the nearest bf16, ties to even. NaN remains NaN. Unlike `half`'s rounding, it has no
/// branches.
#[inline(always)]
fn rounded(x: f32) -> u16 {
    let bits = x.to_bits();
    let nearest = (bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16) as u16;
    if x.is_nan() { 0x7fc0 } else { nearest }
}

/// A pair of bf16 values in the instructions' format: `first` in the low half.
#[inline(always)]
fn pair(first: f32, second: f32) -> u32 {
    u32::from(rounded(first)) | u32::from(rounded(second)) << 16
}

#[cfg(test)]
mod tests;
