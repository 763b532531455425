//! A layer's weights, packed once in the order of the matrix product, and the product.
//!
//! The other operand is not copied into a patch matrix. A row is several runs of an image; a
//! convolution has one per kernel line (after Dukhan, "The Indirect Convolution Algorithm", arXiv
//! 1907.02129).
//!
//! Every result is one sum in the order of the weights' rows. Its bits depend neither on the batch
//! nor on the width of the processor's registers. This requires fused multiply-add (x86 since AVX2,
//! every AArch64).

use std::any::TypeId;
use std::hint::black_box;

use pulp::{Arch, Scalar128b, Simd, WithSimd};

/// Columns of a panel: two AVX-512 registers.
const PANEL: usize = 32;
/// Registers across a tile.
const ACROSS: usize = 2;
/// Rows that are multiplied by all panels before the next rows, so that they stay in the L2 cache.
const BLOCK_ROWS: usize = 384;

/// A matrix `[rows, columns]`, stored panel by panel. The last panel is padded with zero columns.
#[derive(Debug)]
pub(super) struct PackedMatrix {
    rows: usize,
    columns: usize,
    values: Vec<f32>,
}

/// Rows of the other operand, each of `runs` runs of `run` values that start `stride` values apart.
#[derive(Clone, Copy)]
pub(super) struct RowRuns<'a> {
    pub data: &'a [f32],
    /// Start of every row in `data`.
    pub starts: &'a [usize],
    pub runs: usize,
    pub run: usize,
    pub stride: usize,
}

impl PackedMatrix {
    /// Packs a row-major matrix.
    pub fn new(values: &[f32], columns: usize) -> Self {
        let rows = values.len() / columns;
        let mut panels = vec![0.0; columns.div_ceil(PANEL) * rows * PANEL];
        for (row, values) in values.chunks_exact(columns).enumerate() {
            for (panel, values) in values.chunks(PANEL).enumerate() {
                panels[(panel * rows + row) * PANEL..][..values.len()].copy_from_slice(values);
            }
        }
        Self { rows, columns, values: panels }
    }

    /// Adds the product of every row and the matrix to the output, at the row's offset in `to`.
    ///
    /// # Panics
    /// If the sizes do not match or a row exceeds its data.
    pub fn multiply(&self, rows: RowRuns, to: &[usize], out: &mut [f32]) {
        assert_eq!(rows.runs * rows.run, self.rows, "values per row");
        assert_eq!(rows.starts.len(), to.len(), "one offset per row");
        let reach = rows.runs.saturating_sub(1) * rows.stride + rows.run;
        assert!(
            rows.starts.iter().all(|start| start + reach <= rows.data.len()),
            "a row exceeds its data"
        );
        let product = Product { panels: self, rows, to, out };
        match Arch::new() {
            // Four values at a time, for which the compiler uses the baseline's registers.
            Arch::Scalar => product.with_simd(Scalar128b),
            arch => arch.dispatch(product),
        }
    }
}

/// One product, for any register width.
struct Product<'a> {
    panels: &'a PackedMatrix,
    rows: RowRuns<'a>,
    to: &'a [usize],
    out: &'a mut [f32],
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        // The sums, one value of a row and the weights must fit into the registers.
        let tile = if S::REGISTER_COUNT >= 32 { 12 } else { 6 };
        let panel_len = self.panels.rows * PANEL;
        for first in (0..self.to.len()).step_by(BLOCK_ROWS) {
            let end = self.to.len().min(first + BLOCK_ROWS);
            let tiles = (end - first).div_ceil(tile);
            for (panel, weights) in self.panels.values.chunks_exact(panel_len).enumerate() {
                for t in 0..tiles {
                    // Tiles of equal size, because a small last tile would load the weights for few
                    // rows.
                    let [begin, end] = [t, t + 1].map(|t| first + (end - first) * t / tiles);
                    self.tile_of(simd, panel * PANEL, weights, begin, end - begin);
                }
            }
        }
    }
}

impl Product<'_> {
    /// [`Self::tile`] with `count` rows from `begin`.
    #[inline(always)]
    fn tile_of<S: Simd>(
        &mut self,
        simd: S,
        column: usize,
        weights: &[f32],
        begin: usize,
        count: usize,
    ) {
        match count {
            1 => self.tile::<S, 1>(simd, column, weights, begin),
            2 => self.tile::<S, 2>(simd, column, weights, begin),
            3 => self.tile::<S, 3>(simd, column, weights, begin),
            4 => self.tile::<S, 4>(simd, column, weights, begin),
            5 => self.tile::<S, 5>(simd, column, weights, begin),
            6 => self.tile::<S, 6>(simd, column, weights, begin),
            7 => self.tile::<S, 7>(simd, column, weights, begin),
            8 => self.tile::<S, 8>(simd, column, weights, begin),
            9 => self.tile::<S, 9>(simd, column, weights, begin),
            10 => self.tile::<S, 10>(simd, column, weights, begin),
            11 => self.tile::<S, 11>(simd, column, weights, begin),
            _ => self.tile::<S, 12>(simd, column, weights, begin),
        }
    }

    /// Adds the products of `R` rows and one panel to the output.
    #[inline(always)]
    fn tile<S: Simd, const R: usize>(
        &mut self,
        simd: S,
        column: usize,
        weights: &[f32],
        begin: usize,
    ) {
        let (weights, _) = S::as_simd_f32s(weights);
        let starts = self.rows.starts[begin..].first_chunk().expect("rows of the tile");
        let (columns, width) = (self.panels.columns - column, ACROSS * S::F32_LANES);
        for part in 0..(PANEL / width).min(columns.div_ceil(width)) {
            // `black_box` copies the sums to memory for the loop below, so that the accumulators
            // stay in registers.
            let sums = black_box(self.rows.sums::<S, R>(simd, starts, weights, part));
            let first = column + part * width;
            let inside = width.min(self.panels.columns - first);
            for (sums, to) in sums.iter().zip(&self.to[begin..]) {
                add_sums(simd, sums, &mut self.out[to + first..][..inside]);
            }
        }
    }
}

/// Adds a row's sums to the output, which may have fewer values.
#[inline(always)]
fn add_sums<S: Simd>(simd: S, sums: &[S::f32s; ACROSS], out: &mut [f32]) {
    if out.len() == ACROSS * S::F32_LANES {
        let (registers, _) = S::as_mut_simd_f32s(out);
        for (out, sum) in registers.iter_mut().zip(sums) {
            *out = simd.add_f32s(*out, *sum);
        }
        return;
    }
    // Partially filled registers need a function call each.
    for (sum, out) in sums.iter().zip(out.chunks_mut(S::F32_LANES)) {
        let before = simd.partial_load_f32s(out);
        simd.partial_store_f32s(out, simd.add_f32s(before, *sum));
    }
}

impl RowRuns<'_> {
    /// The products of the rows that start at `starts` and one part of a panel.
    #[inline(always)]
    fn sums<S: Simd, const R: usize>(
        &self,
        simd: S,
        starts: &[usize; R],
        weights: &[S::f32s],
        part: usize,
    ) -> [[S::f32s; ACROSS]; R] {
        let mut sums = [[simd.splat_f32s(0.0); ACROSS]; R];
        let width = PANEL / S::F32_LANES;
        for k in 0..self.runs {
            let weights = &weights[k * self.run * width..][..self.run * width];
            let values: [*const f32; R] = std::array::from_fn(|r| {
                self.data[starts[r] + k * self.stride..][..self.run].as_ptr()
            });
            for i in 0..self.run {
                // SAFETY: the slice of weights has `width` registers for each of the run's values,
                // and the number of parts is `width / ACROSS` at most.
                let weights: [S::f32s; ACROSS] = std::array::from_fn(|n| unsafe {
                    *weights.get_unchecked(i * width + part * ACROSS + n)
                });
                for r in 0..R {
                    // SAFETY: the slice above has all of the run's values.
                    let value = simd.splat_f32s(unsafe { *values[r].add(i) });
                    for n in 0..ACROSS {
                        sums[r][n] = multiply_add(simd, value, weights[n], sums[r][n]);
                    }
                }
            }
        }
        sums
    }
}

/// Fused where the machine supports it. On the baseline, a fused operation would call a function
/// per value.
#[inline(always)]
fn multiply_add<S: Simd>(simd: S, a: S::f32s, b: S::f32s, sum: S::f32s) -> S::f32s {
    if TypeId::of::<S>() == TypeId::of::<Scalar128b>() {
        simd.add_f32s(simd.mul_f32s(a, b), sum)
    } else {
        simd.mul_add_f32s(a, b, sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::noise;

    /// Rows of two runs at various positions, with various numbers of rows and columns.
    #[test]
    fn the_product_is_the_sum_of_products() {
        for (count, columns, run) in
            [(1, 1, 3), (5, 31, 4), (12, 32, 1), (13, 40, 7), (25, 96, 16), (390, 33, 5)]
        {
            let (runs, stride) = (2, run + 3);
            let weights = noise::gaussian(1, 0, runs * run * columns, 1);
            let data = noise::gaussian(2, 0, 2 * count + stride + run, 1);
            let starts: Vec<usize> = (0..count).map(|i| 2 * (count - 1 - i)).collect();
            let to: Vec<usize> = (0..count).map(|i| i * (columns + 1)).collect();
            let mut out = vec![0.5; count * (columns + 1)];
            let rows = RowRuns { data: &data, starts: &starts, runs, run, stride };
            PackedMatrix::new(&weights, columns).multiply(rows, &to, &mut out);
            for (i, row) in out.chunks_exact(columns + 1).enumerate() {
                for (c, found) in row[..columns].iter().enumerate() {
                    let values =
                        (0..runs * run).map(|k| data[starts[i] + k / run * stride + k % run]);
                    let products = values
                        .enumerate()
                        .map(|(k, v)| f64::from(v) * f64::from(weights[k * columns + c]));
                    let expected = 0.5 + products.sum::<f64>();
                    assert!(
                        (f64::from(*found) - expected).abs() < 1e-4,
                        "{count} x {columns}, {i}, {c}"
                    );
                }
                assert_eq!(row[columns], 0.5, "values between the rows are unchanged");
            }
        }
    }

    #[test]
    fn the_bits_do_not_depend_on_the_batch() {
        let (columns, run, count) = (48, 65, 29);
        let (weights, data) =
            (noise::gaussian(1, 0, run * columns, 1), noise::gaussian(2, 0, run * count, 1));
        let panels = PackedMatrix::new(&weights, columns);
        let starts: Vec<usize> = (0..count).map(|i| i * run).collect();
        let to: Vec<usize> = (0..count).map(|i| i * columns).collect();
        let mut together = vec![0.0; count * columns];
        panels.multiply(
            RowRuns { data: &data, starts: &starts, runs: 1, run, stride: run },
            &to,
            &mut together,
        );
        for (i, expected) in together.chunks_exact(columns).enumerate() {
            let mut alone = vec![0.0; columns];
            let rows = RowRuns { data: &data, starts: &starts[i..=i], runs: 1, run, stride: run };
            panels.multiply(rows, &[0], &mut alone);
            assert_eq!(alone, expected, "row {i}");
        }
    }

    /// Narrower registers: AVX2's results are equal to the bit, the baseline's approximately.
    #[test]
    fn narrower_registers_have_the_same_results() {
        let (columns, run, count) = (40, 65, 29);
        let (weights, data) =
            (noise::gaussian(1, 0, run * columns, 1), noise::gaussian(2, 0, run * count, 1));
        let panels = PackedMatrix::new(&weights, columns);
        let starts: Vec<usize> = (0..count).map(|i| i * run).collect();
        let to: Vec<usize> = (0..count).map(|i| i * columns).collect();
        let rows = RowRuns { data: &data, starts: &starts, runs: 1, run, stride: run };
        let mut native = vec![0.0; count * columns];
        panels.multiply(rows, &to, &mut native);
        let mut out = vec![0.0; count * columns];
        Product { panels: &panels, rows, to: &to, out: &mut out }.with_simd(Scalar128b);
        assert!(out.iter().zip(&native).all(|(a, b)| (a - b).abs() < 1e-4));
        #[cfg(target_arch = "x86_64")]
        if let Some(avx2) = pulp::x86::V3::try_new() {
            out.fill(0.0);
            Simd::vectorize(avx2, Product { panels: &panels, rows, to: &to, out: &mut out });
            assert_eq!(out, native);
        }
    }

    #[test]
    #[should_panic(expected = "a row exceeds its data")]
    fn rows_that_exceed_their_data_are_rejected() {
        let rows = RowRuns { data: &[0.0; 5], starts: &[0, 2], runs: 2, run: 2, stride: 2 };
        PackedMatrix::new(&[1.0; 4], 1).multiply(rows, &[0, 1], &mut [0.0; 2]);
    }
}
