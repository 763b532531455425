//! Matrix products of bf16 values, summed in f32 (Kalamkar et al. 2019, arXiv 1905.12322): on CPUs with AVX512-BF16 at twice the rate of f32.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::nn::kernels::Matrix;

/// Columns of a panel: two registers of 16 sums.
const WIDTH: usize = 32;
/// Rows that are multiplied at once: with [`WIDTH`] sixteen registers of sums, enough to hide an addition's latency.
const HEIGHT: usize = 8;
/// Pairs of values between two visits of the result: a panel that deep (64 KB) stays in the second-level cache.
const DEPTH: usize = 512;

/// That this machine has the instruction. Without one there are no panels, and nothing is multiplied here.
#[derive(Clone, Copy, Debug)]
pub struct Bf16(());

impl Bf16 {
    /// None where the CPU lacks it.
    #[cfg(target_arch = "x86_64")]
    pub fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bf16");
        has.then_some(Self(()))
    }

    /// None where the CPU lacks it.
    #[cfg(not(target_arch = "x86_64"))]
    pub fn detect() -> Option<Self> {
        None
    }
}

/// A right operand: panels of [`WIDTH`] columns, in which the values of two rows lie side by side. Zeros fill the last panel and row.
pub struct Panels {
    rows: usize,
    columns: usize,
    data: Vec<u32>,
}

/// A left operand: its rows, an even number of values each. Zeros fill the last tile of [`HEIGHT`] rows.
struct Rows {
    pairs: usize,
    data: Vec<u16>,
}

impl Panels {
    /// The first so many rows and columns of a matrix.
    pub fn of(_: Bf16, matrix: Matrix, rows: usize, columns: usize) -> Self {
        let pairs = rows.div_ceil(2);
        let mut data = vec![0; columns.div_ceil(WIDTH) * pairs * WIDTH];
        data.par_chunks_mut((pairs * WIDTH).max(1)).enumerate().for_each(|(panel, out)| {
            let first = panel * WIDTH;
            let width = WIDTH.min(columns - first);
            Arch::new().dispatch(PackPanel { matrix, rows, first, width, out });
        });
        Self { rows, columns, data }
    }

    /// `out[m, columns] = left[m, rows] self` (added to `out` where `accumulate`), on one thread.
    pub fn multiplied(&self, left: Matrix, m: usize, out: &mut [f32], accumulate: bool) {
        assert!(out.len() >= m * self.columns, "result of {m}x{} does not fit", self.columns);
        let left = Rows::of(left, m, self.rows);
        let panel_len = left.pairs * WIDTH;
        for from in (0..left.pairs).step_by(DEPTH) {
            let depth = DEPTH.min(left.pairs - from);
            for row in (0..m).step_by(HEIGHT) {
                for (i, panel) in self.data.chunks_exact(panel_len).enumerate() {
                    let tile = Tile {
                        left: &left.data[2 * (row * left.pairs + from)..],
                        stride: 2 * left.pairs,
                        right: &panel[from * WIDTH..][..depth * WIDTH],
                        rows: HEIGHT.min(m - row),
                        columns: WIDTH.min(self.columns - i * WIDTH),
                        accumulate: accumulate || from > 0,
                    };
                    tile.multiply(&mut out[row * self.columns + i * WIDTH..], self.columns);
                }
            }
        }
    }
}

impl Rows {
    fn of(matrix: Matrix, rows: usize, columns: usize) -> Self {
        let pairs = columns.div_ceil(2);
        let mut data = vec![0; rows.next_multiple_of(HEIGHT) * 2 * pairs];
        Arch::new().dispatch(PackRows { matrix, rows, columns, out: &mut data });
        Self { pairs, data }
    }
}

/// The nearest bf16, ties to even; what is not a number stays so. `half`'s own does the same and, with two branches, takes half as long again.
#[inline(always)]
fn rounded(x: f32) -> u16 {
    let bits = x.to_bits();
    let nearest = (bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16) as u16;
    if x.is_nan() { 0x7fc0 } else { nearest }
}

struct PackRows<'a> {
    matrix: Matrix<'a>,
    rows: usize,
    columns: usize,
    out: &'a mut [u16],
}

impl WithSimd for PackRows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { matrix: Matrix { data, row_stride, col_stride }, rows, columns, out } = self;
        let stride = columns.next_multiple_of(2);
        if col_stride == 1 {
            for (r, out) in out.chunks_exact_mut(stride).take(rows).enumerate() {
                let row = &data[r * row_stride..][..columns];
                out.iter_mut().zip(row).for_each(|(out, x)| *out = rounded(*x));
            }
            return;
        }
        for c in 0..columns {
            let column = data[c * col_stride..].iter().step_by(row_stride).take(rows);
            out[c..].iter_mut().step_by(stride).zip(column).for_each(|(out, x)| *out = rounded(*x));
        }
    }
}

struct PackPanel<'a> {
    matrix: Matrix<'a>,
    rows: usize,
    first: usize,
    width: usize,
    out: &'a mut [u32],
}

impl WithSimd for PackPanel<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { matrix: Matrix { data, row_stride, col_stride }, rows, first, width, out } = self;
        let pair = |a: f32, b: f32| u32::from(rounded(a)) | u32::from(rounded(b)) << 16;
        if col_stride == 1 {
            for (i, out) in out.chunks_exact_mut(WIDTH).enumerate() {
                let row = |r: usize| {
                    if r < rows { &data[r * row_stride + first..][..width] } else { &[0.0; WIDTH] }
                };
                out.iter_mut()
                    .zip(row(2 * i).iter().zip(row(2 * i + 1)))
                    .for_each(|(o, (a, b))| *o = pair(*a, *b));
            }
            return;
        }
        for column in 0..width {
            let values = &data[(first + column) * col_stride..];
            let row = |r: usize| if r < rows { values[r * row_stride] } else { 0.0 };
            for (i, out) in out[column..].iter_mut().step_by(WIDTH).enumerate() {
                *out = pair(row(2 * i), row(2 * i + 1));
            }
        }
    }
}

/// A piece of the result, at most [`HEIGHT`] by [`WIDTH`], and what it is the product of.
struct Tile<'a> {
    left: &'a [u16],
    /// From one row of the left operand to the next.
    stride: usize,
    right: &'a [u32],
    rows: usize,
    columns: usize,
    accumulate: bool,
}

impl Tile<'_> {
    #[cfg(target_arch = "x86_64")]
    fn multiply(&self, out: &mut [f32], out_stride: usize) {
        let depth = self.right.len() / WIDTH;
        assert!(self.left.len() >= (HEIGHT - 1) * self.stride + 2 * depth, "the left operand is too short");
        assert!(out.len() >= (self.rows - 1) * out_stride + self.columns, "the result does not fit");
        // SAFETY: the asserts keep every touched value inside its slice, and only a machine with the instructions has a `Bf16`.
        unsafe { self.multiply_avx512(depth, out.as_mut_ptr(), out_stride) }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn multiply(&self, _: &mut [f32], _: usize) {
        unreachable!("no machine of this kind has a `Bf16`")
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bf16")]
    unsafe fn multiply_avx512(&self, depth: usize, out: *mut f32, out_stride: usize) {
        use std::arch::x86_64::*;
        let halves = [0, 1].map(|half| {
            let columns = self.columns.saturating_sub(half * WIDTH / 2).min(WIDTH / 2);
            ((1u32 << columns) - 1) as __mmask16
        });
        // SAFETY: as promised by the caller; the masks keep loads and stores within the tile's columns.
        unsafe {
            let at = |row: usize, half: usize| out.wrapping_add(row * out_stride + half * WIDTH / 2);
            let mut sums = [[_mm512_setzero_ps(); 2]; HEIGHT];
            for (row, sums) in sums.iter_mut().enumerate().take(if self.accumulate { self.rows } else { 0 }) {
                *sums = [0, 1].map(|half| _mm512_maskz_loadu_ps(halves[half], at(row, half)));
            }
            let (left, right) = (self.left.as_ptr().cast::<i32>(), self.right.as_ptr().cast::<__m512i>());
            for pair in 0..depth {
                let panel = [0, 1].map(|half| as_bf16(_mm512_loadu_si512(right.add(2 * pair + half))));
                for (row, sums) in sums.iter_mut().enumerate() {
                    let value = left.add(row * self.stride / 2 + pair).read_unaligned();
                    let value = as_bf16(_mm512_set1_epi32(value));
                    *sums = [0, 1].map(|half| _mm512_dpbf16_ps(sums[half], value, panel[half]));
                }
            }
            for (row, sums) in sums.iter().enumerate().take(self.rows) {
                [0, 1]
                    .into_iter()
                    .for_each(|half| _mm512_mask_storeu_ps(at(row, half), halves[half], sums[half]));
            }
        }
    }
}

/// The same bits.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bf16")]
fn as_bf16(bits: std::arch::x86_64::__m512i) -> std::arch::x86_64::__m512bh {
    // SAFETY: both are 512 bits, and every bit pattern is a value of both.
    unsafe { std::mem::transmute(bits) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.0 - 1.0).collect()
    }

    #[test]
    fn a_value_is_rounded_to_the_nearest() {
        for (x, expected) in
            [(1.0, 0x3f80), (-2.5, 0xc020), (1.003_906_3, 0x3f80), (1.011_718_8, 0x3f82), (f32::MAX, 0x7f80)]
        {
            assert_eq!(rounded(x), expected, "{x}");
        }
        assert!(f32::from_bits(u32::from(rounded(f32::from_bits(0x7fff_ffff))) << 16).is_nan());
    }

    /// Against sums in f64 of the rounded values, in all layouts and with remainders everywhere.
    #[test]
    fn a_product_is_that_of_the_rounded_values() {
        let Some(bf16) = Bf16::detect() else { return println!("skipped: this CPU multiplies no bf16") };
        let widened = |x: f32| f64::from(f32::from_bits(u32::from(rounded(x)) << 16));
        for (m, n, k) in [(8, 32, 64), (1, 1, 1), (13, 70, 37), (24, 33, 1500), (3, 128, 2)] {
            let (a, b) = (values(m * k, 1), values(k * n, 2));
            let lefts = [Matrix::rows(&a, k), Matrix::transposed(&a, m)];
            let rights = [Matrix::rows(&b, n), Matrix::transposed(&b, k)];
            for (left, right) in lefts.into_iter().flat_map(|left| rights.map(|right| (left, right))) {
                let panels = Panels::of(bf16, right, k, n);
                for accumulate in [false, true] {
                    let mut out = vec![3.0; m * n];
                    panels.multiplied(left, m, &mut out, accumulate);
                    for (i, out) in out.iter().enumerate() {
                        let (r, c) = (i / n, i % n);
                        let at = |x: &Matrix, r: usize, c: usize| {
                            widened(x.data[r * x.row_stride + c * x.col_stride])
                        };
                        let sum: f64 = (0..k).map(|j| at(&left, r, j) * at(&right, j, c)).sum();
                        let expected = sum + if accumulate { 3.0 } else { 0.0 };
                        assert!(
                            (f64::from(*out) - expected).abs() < 1e-5 * k as f64,
                            "{m}x{n}x{k} at {r}, {c}: {out}, {expected}"
                        );
                    }
                }
            }
        }
    }
}
