//! The kernel for AVX512-BF16. One instruction adds 16 products of pairs to 16 sums.

use std::arch::x86_64::*;

use crate::blocks::{Block, Product, RowBlocks, Start, WIDTH};

/// Rows per kernel call. With [`WIDTH`] columns, the sums need sixteen registers, which hides the
/// latency of an addition.
const HEIGHT: usize = 8;

/// Whether the CPU has the instructions.
pub fn is_available() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bf16")
}

/// See [`Bf16::multiply`](super::Bf16::multiply).
///
/// # Safety
/// [`is_available`] must be true, and all accesses of rows and blocks must be inside their slices.
pub unsafe fn multiply(
    product: &Product<'_>,
    rows: RowBlocks<'_>,
    blocks: &[Block],
    start: Start<'_>,
    out: &mut [f32],
) {
    // Blocks are the outer loop, so that a block's columns stay in the first-level cache.
    for block in blocks {
        for rows in rows.chunks(HEIGHT) {
            // SAFETY: the caller ensures it.
            unsafe { kernel(product, rows, block, start, out.as_mut_ptr()) }
        }
    }
}

/// Computes one block of at most [`HEIGHT`] rows. If there are fewer, the last row is computed
/// repeatedly and stored once.
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn kernel(
    product: &Product<'_>,
    rows: RowBlocks<'_>,
    block: &Block,
    start: Start<'_>,
    out: *mut f32,
) {
    let last = rows.starts.len() - 1;
    let starts: [usize; HEIGHT] = std::array::from_fn(|row| rows.starts[row.min(last)]);
    let places: [usize; HEIGHT] =
        std::array::from_fn(|row| rows.places[row.min(last)] + block.offset);
    let halves = [0, 1].map(|half| {
        let columns = block.columns.saturating_sub(half * WIDTH / 2).min(WIDTH / 2);
        ((1u32 << columns) - 1) as __mmask16
    });
    // SAFETY: the caller ensures it. The masks limit loads and stores to the block's columns.
    unsafe {
        let at = |row: usize, half: usize| out.wrapping_add(places[row] + half * WIDTH / 2);
        let mut sums = [[_mm512_setzero_ps(); 2]; HEIGHT];
        for (row, sums) in sums.iter_mut().enumerate() {
            *sums = [0, 1].map(|half| match start {
                Start::Zero => _mm512_setzero_ps(),
                Start::Row(values) => {
                    let values = values.as_ptr().wrapping_add(block.offset + half * WIDTH / 2);
                    _mm512_maskz_loadu_ps(halves[half], values)
                }
                Start::Result => _mm512_maskz_loadu_ps(halves[half], at(row, half)),
            });
        }
        let rows = starts.map(|start| product.left.as_ptr().add(start));
        let columns = product.right.as_ptr().add(block.column);
        for run in product.runs {
            let rows = rows.map(|row| row.add(run.left).cast::<i32>());
            let mut panel = columns.add(run.right);
            for i in 0..product.pairs {
                let right = [0, 1]
                    .map(|half| as_bf16(_mm512_loadu_si512(panel.add(half * WIDTH / 2).cast())));
                for (row, sums) in rows.iter().zip(&mut sums) {
                    let left = as_bf16(_mm512_set1_epi32(row.add(i).read_unaligned()));
                    *sums = [0, 1].map(|half| _mm512_dpbf16_ps(sums[half], left, right[half]));
                }
                panel = panel.wrapping_add(product.step);
            }
        }
        for (row, sums) in sums.iter().enumerate().take(last + 1) {
            [0, 1]
                .into_iter()
                .for_each(|half| _mm512_mask_storeu_ps(at(row, half), halves[half], sums[half]));
        }
    }
}

/// Reinterprets the bits.
#[target_feature(enable = "avx512f,avx512bf16")]
fn as_bf16(bits: __m512i) -> __m512bh {
    // SAFETY: both types have 512 bits, and every bit pattern is valid for both.
    unsafe { std::mem::transmute(bits) }
}
