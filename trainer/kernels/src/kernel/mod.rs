//! What multiplies: the kernels that machines have.

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

use super::blocks::{Block, Product, RowBlocks, Start};

/// That this machine multiplies bf16, and by what. Without one there are no panels, and nothing is
/// multiplied here.
#[derive(Clone, Copy, Debug)]
pub struct Bf16(Unit);

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

    /// All that there are, the fastest last.
    pub fn all() -> Vec<Self> {
        let units = [(Unit::Avx512, avx512::is_there()), (Unit::Amx, amx::is_there())];
        units.into_iter().filter(|(_, there)| *there).map(|(unit, _)| Self(unit)).collect()
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self.0 {
            Unit::Avx512 => "bf16, AVX512-BF16",
            Unit::Amx => "bf16, AMX-BF16",
        }
    }

    /// Whether it does so many times as fast as f32: what is not worth rounding for twice the speed
    /// may be worth it then.
    pub fn has_tiles(self) -> bool {
        self.0 == Unit::Amx
    }

    /// Computes `blocks` of `rows` of a product.
    ///
    /// # Panics
    /// If an operand or `out` is too short.
    pub(super) fn multiply(
        self,
        product: &Product<'_>,
        rows: RowBlocks<'_>,
        blocks: &[Block],
        start: Start<'_>,
        out: &mut [f32],
    ) {
        if rows.starts.is_empty() {
            return;
        }
        product.check(rows, blocks, start, out.len());
        // SAFETY: every touched value is inside its slice, as was checked, and only a machine with
        // the instructions has a `Bf16` of them.
        unsafe {
            match self.0 {
                Unit::Avx512 => avx512::multiply(product, rows, blocks, start, out),
                Unit::Amx => amx::multiply(product, rows, blocks, start, out),
            }
        }
    }
}
