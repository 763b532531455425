//! A kernel that this kind of machine has not.

use crate::blocks::{Block, Product, RowBlocks, Start};

/// It is not.
pub fn is_there() -> bool {
    false
}

/// Is never called.
///
/// # Safety
/// Nothing is touched.
pub unsafe fn multiply(
    product: &Product<'_>,
    _: RowBlocks<'_>,
    _: &[Block],
    _: Start<'_>,
    _: &mut [f32],
) {
    let Product { left, right, runs, pairs, step, .. } = product;
    let lengths = [left.len(), right.len()];
    unreachable!("no machine of this kind has a `Bf16`: {lengths:?}, {runs:?}, {pairs}, {step}")
}
