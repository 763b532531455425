//! The product of two matrices.

use std::cell::Cell;

use pulp::{Arch, Simd, WithSimd};

use super::blocks::{Product, RowBlocks, Run, Start, WIDTH};
use super::memory::Aligned;
use super::panels::WeightPanels;
use super::{Bf16, rounded};
use engine::nn::kernels::Matrix;

/// Rows that are rounded together, column after column, so that the written part stays in the
/// first-level cache.
const ROWS_AT_ONCE: usize = 64;

/// The part of a product that is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All values.
    Whole,
    /// The values on and below the diagonal. Those above are unspecified.
    Lower,
}

thread_local! {
    /// The left operand. The memory is reused.
    static LEFT: Cell<Aligned> = const { Cell::new(Aligned::new()) };
}

/// Computes `out[m, n] = a[m, k] b[k, n]` on one thread. Values are rounded to bf16, sums are f32.
///
/// # Panics
/// If an operand or `out` is too short.
pub fn product(
    bf16: Bf16,
    [m, n, k]: [usize; 3],
    a: Matrix,
    b: Matrix,
    out: &mut [f32],
    part: Part,
) {
    if k == 0 {
        return out.fill(0.0);
    }
    let mut rows: Vec<_> = (0..k).map(|row| Some(row * b.row_stride)).collect();
    rows.resize(k.next_multiple_of(2), None);
    let panels = WeightPanels::on_one_thread(bf16, b.data, &rows, n, b.col_stride);
    let mut memory = LEFT.take();
    let left = memory.slice(m * rows.len());
    Arch::new().dispatch(RoundRows { matrix: a, rows: m, columns: k, out: left });
    let runs = [Run { left: 0, right: 0 }];
    let product = Product::new(left, (panels.data(), WIDTH), &runs, rows.len() / 2);
    let blocks = panels.blocks();
    let starts: Vec<usize> = (0..m).map(|row| row * rows.len()).collect();
    let places: Vec<usize> = (0..m).map(|row| row * n).collect();
    let whole = RowBlocks { starts: &starts, places: &places };
    match part {
        Part::Whole => bf16.multiply(&product, whole, &blocks, Start::Zero, out),
        Part::Lower => {
            for (i, rows) in whole.chunks(WIDTH).enumerate() {
                let below = blocks.len().min(i + 1);
                bf16.multiply(&product, rows, &blocks[..below], Start::Zero, out);
            }
        }
    }
    LEFT.set(memory);
}

struct RoundRows<'a> {
    matrix: Matrix<'a>,
    rows: usize,
    columns: usize,
    out: &'a mut [u16],
}

impl WithSimd for RoundRows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { matrix: Matrix { data, row_stride, col_stride }, rows, columns, out } = self;
        let stride = columns.next_multiple_of(2);
        if stride > columns {
            out.iter_mut().skip(columns).step_by(stride).for_each(|odd| *odd = 0);
        }
        if col_stride == 1 {
            for (r, out) in out.chunks_exact_mut(stride).take(rows).enumerate() {
                let row = &data[r * row_stride..][..columns];
                out.iter_mut().zip(row).for_each(|(out, x)| *out = rounded(*x));
            }
            return;
        }
        for first in (0..rows).step_by(ROWS_AT_ONCE) {
            for c in 0..columns {
                for r in first..rows.min(first + ROWS_AT_ONCE) {
                    out[r * stride + c] = rounded(data[r * row_stride + c * col_stride]);
                }
            }
        }
    }
}
