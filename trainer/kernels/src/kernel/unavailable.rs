//! A substitute for a kernel that this target does not support.

use crate::blocks::{Block, Product, RowBlocks, Start};

/// False: the target does not support the instructions.
pub fn is_available() -> bool {
    false
}

/// Never called, because [`is_available`] is false.
///
/// # Safety
/// The function accesses no memory.
pub unsafe fn multiply(
    product: &Product<'_>,
    _: RowBlocks<'_>,
    _: &[Block],
    _: Start<'_>,
    _: &mut [f32],
) {
    let Product { left, right, runs, pairs, step, .. } = product;
    let lengths = [left.len(), right.len()];
    unreachable!("this target has no bf16 unit: {lengths:?}, {runs:?}, {pairs}, {step}")
}
