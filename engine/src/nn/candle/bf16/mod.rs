//! Convolutions and products of bf16 values, summed in f32 (Kalamkar et al. 2019, arXiv 1905.12322): on CPUs with AVX512-BF16 at up to twice the rate
//! of f32, on those with AMX-BF16 at many times that.
//!
//! There is no matrix of patches: images are rounded into a margin of zeros, and products read them where a patch's lines lie. The gradient of a
//! weight alone has them laid out once for each column of the kernel.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx;
#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
#[path = "elsewhere.rs"]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(not(target_arch = "x86_64"))]
#[path = "elsewhere.rs"]
mod avx512;
mod blocks;
mod conv;
mod memory;
mod padded;
mod panels;
mod product;
mod weight_gradient;

pub(super) use conv::{forward, input_gradient};
pub use product::{Part, product};
pub(super) use weight_gradient::weight_gradient;

/// That this machine multiplies bf16, and by what. Without one there are no panels, and nothing is multiplied here.
#[derive(Clone, Copy, Debug)]
pub struct Bf16(Unit);

/// What multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Avx512,
    Amx,
}

impl Bf16 {
    /// The fastest that there is; none where the CPU has none.
    pub fn detect() -> Option<Self> {
        Self::all().pop()
    }

    /// Whether it does so many times as fast as f32: what is not worth rounding for twice the speed may be worth it then.
    pub fn has_tiles(self) -> bool {
        self.0 == Unit::Amx
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self.0 {
            Unit::Avx512 => "bf16, AVX512-BF16",
            Unit::Amx => "bf16, AMX-BF16",
        }
    }

    /// All that there are, the fastest last.
    pub fn all() -> Vec<Self> {
        let units = [(Unit::Avx512, avx512::is_there()), (Unit::Amx, amx::is_there())];
        units.into_iter().filter(|(_, there)| *there).map(|(unit, _)| Self(unit)).collect()
    }
}

/// The nearest bf16, ties to even; what is not a number stays so. `half`'s own does the same and, with two branches, takes half as long again.
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
