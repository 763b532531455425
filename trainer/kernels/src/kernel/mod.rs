//! The kernels, and the choice of one for this CPU.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx;
#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
#[path = "unavailable.rs"]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(not(target_arch = "x86_64"))]
#[path = "unavailable.rs"]
mod avx512;

use super::blocks::{Block, Product, RowBlocks, Start};

/// A bf16 unit of this CPU. A value exists only if the CPU has the instructions, so the functions
/// that need one can use them.
#[derive(Clone, Copy, Debug)]
pub struct Bf16(Unit);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Avx512,
    Amx,
}

impl Bf16 {
    /// The fastest unit, or `None` if the CPU has none.
    pub fn detect() -> Option<Self> {
        Self::all().pop()
    }

    /// All units of this CPU. The fastest is last.
    pub fn all() -> Vec<Self> {
        let units = [(Unit::Avx512, avx512::is_available()), (Unit::Amx, amx::is_available())];
        units.into_iter().filter(|(_, available)| *available).map(|(unit, _)| Self(unit)).collect()
    }

    /// The unit's name, for tables.
    pub fn name(self) -> &'static str {
        match self.0 {
            Unit::Avx512 => "bf16, AVX512-BF16",
            Unit::Amx => "bf16, AMX-BF16",
        }
    }

    /// Whether the unit is AMX. Some products are rounded only with this fastest unit:
    /// docs/decisions/045-bf16-kernels.md.
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
        // SAFETY: the check above ensures that every access is inside its slice. A `Bf16` exists
        // only on a CPU with its instructions.
        unsafe {
            match self.0 {
                Unit::Avx512 => avx512::multiply(product, rows, blocks, start, out),
                Unit::Amx => amx::multiply(product, rows, blocks, start, out),
            }
        }
    }
}
