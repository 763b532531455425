//! CPU kernels over row-major `(B, H, W, C)` slices, shared by both executors.
//!
//! ```
//! use engine::nn::kernels::{Matrix, matmul};
//!
//! let (a, b) = ([1.0, 2.0, 3.0, 4.0], [1.0, 0.0, 0.0, 1.0]);
//! let mut product = [0.0; 4];
//! matmul([2, 2, 2], Matrix::rows(&a, 2), Matrix::rows(&b, 2), &mut product, 2, false);
//! assert_eq!(product, a);
//! ```

use pulp::{Arch, Simd, WithSimd};

use super::backend::{ConvSpec, GROUPS, NORM_EPS};

/// A row-major matrix view. Element `(r, c)` is `data[r * row_stride + c * col_stride]`.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    /// Storage up to the last element that is used.
    pub data: &'a [f32],
    /// Distance between two rows, in elements.
    pub row_stride: usize,
    /// Distance between two columns, in elements.
    pub col_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Contiguous rows of `columns` values.
    pub fn rows(data: &'a [f32], columns: usize) -> Self {
        Self { data, row_stride: columns, col_stride: 1 }
    }

    /// The transpose of contiguous rows of `columns` values.
    pub fn transposed(data: &'a [f32], columns: usize) -> Self {
        Self { data, row_stride: 1, col_stride: columns }
    }

    fn transpose(self) -> Self {
        Self { row_stride: self.col_stride, col_stride: self.row_stride, ..self }
    }

    fn reaches(&self, rows: usize, columns: usize) -> bool {
        rows == 0
            || columns == 0
            || (rows - 1) * self.row_stride + (columns - 1) * self.col_stride < self.data.len()
    }
}

/// `out[m, n] = a[m, k] b[k, n]`, added to `out` if `accumulate`. Rows of `out` are `out_stride`
/// elements apart.
///
/// It uses one thread, so that the order of the sums, and every bit, is independent of the
/// machine's load.
///
/// # Panics
/// If an operand or `out` is too short.
pub fn matmul(
    [m, n, k]: [usize; 3],
    a: Matrix,
    b: Matrix,
    out: &mut [f32],
    out_stride: usize,
    accumulate: bool,
) {
    assert!(a.reaches(m, k) && b.reaches(k, n), "operands of {m}x{n}x{k} are too short");
    assert!(
        m == 0 || n == 0 || (m - 1) * out_stride + n <= out.len(),
        "result of {m}x{n} does not fit"
    );
    // The kernel prefers a result that is stored by columns: it computes `out' = b' a'`.
    let ([m, n], [a, b], [row_stride, col_stride]) = match out_stride > 1 {
        true => ([n, m], [b.transpose(), a.transpose()], [1, out_stride]),
        false => ([m, n], [a, b], [out_stride, 1]),
    };
    // SAFETY: the three asserts above keep every touched element inside its slice; `out` is
    // borrowed mutably, so it overlaps neither operand.
    unsafe {
        gemm_f32::gemm::f32::get_gemm_fn()(
            m,
            n,
            k,
            out.as_mut_ptr(),
            col_stride as isize,
            row_stride as isize,
            accumulate,
            a.data.as_ptr(),
            a.col_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.col_stride as isize,
            b.row_stride as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm_common::Parallelism::None,
        );
    }
}

/// 1.5 * 2^23, see [`exp`].
const ROUND: f32 = 12_582_912.0;

/// `exp(x)` with a relative error below 3e-7, for `x` clamped to -87 to 88. It vectorises
/// (Cody-Waite reduction, degree 6); see `docs/decisions/029-vectorised-exp.md`.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    let x = x.clamp(-87.0, 88.0);
    // Adding 1.5 * 2^23 rounds to an integer, which is then in the lowest bits. Baseline x86-64 has
    // no rounding instruction and would call a function.
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    let r = x - n * 0.693_359_4 - n * -2.121_944_4e-4;
    let p = 1.0 / 720.0;
    let p = 1.0
        + r * (1.0 + r * (0.5 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r * p)))));
    f32::from_bits(rounded.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23) * p
}

/// `1 / (1 + exp(-x))`.
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// `x * sigmoid(x)`.
#[inline(always)]
pub fn silu(x: f32) -> f32 {
    x * sigmoid(x)
}

/// The receptive field of an output position: `kernel x kernel` runs of `c_in` values.
#[derive(Clone, Copy, Debug)]
pub struct Taps {
    /// Runs along one axis.
    pub kernel: usize,
    /// Input positions between the first runs of two neighbouring outputs.
    pub stride: usize,
    /// Distance of the first run before the output position: lines, columns.
    pub before: [usize; 2],
    /// Values per run.
    pub c_in: usize,
}

impl Taps {
    /// The receptive field of a convolution with zero padding.
    pub fn from_spec(spec: &ConvSpec) -> Self {
        Self {
            kernel: spec.kernel,
            stride: spec.stride,
            before: [spec.kernel / 2; 2],
            c_in: spec.c_in,
        }
    }

    /// Values in the receptive field.
    pub fn patch(&self) -> usize {
        self.kernel * self.kernel * self.c_in
    }

    /// The patches of output line `y` of one image: `x (h, w, c_in)` -> `columns (width, kernel,
    /// kernel, c_in)`.
    pub fn line(&self, x: &[f32], [h, w]: [usize; 2], y: usize, columns: &mut [f32]) {
        let (k, c) = (self.kernel, self.c_in);
        for (position, patch) in columns.chunks_exact_mut(self.patch()).enumerate() {
            let first = position * self.stride;
            let left = self.before[1].saturating_sub(first);
            let first = first + left - self.before[1];
            let inside = (k - left).min(w.saturating_sub(first)) * c;
            for (ky, run) in patch.chunks_exact_mut(k * c).enumerate() {
                let from = (y * self.stride + ky).wrapping_sub(self.before[0]);
                if from >= h {
                    run.fill(0.0);
                    continue;
                }
                let (before, run) = run.split_at_mut(left * c);
                let (run, after) = run.split_at_mut(inside);
                before.fill(0.0);
                run.copy_from_slice(&x[(from * w + first) * c..][..inside]);
                after.fill(0.0);
            }
        }
    }
}

/// The shape of one convolution over one image.
#[derive(Clone, Copy, Debug)]
pub struct ConvShape {
    /// The layer.
    pub spec: ConvSpec,
    /// Input height.
    pub h: usize,
    /// Input width.
    pub w: usize,
}

impl ConvShape {
    /// Output `(height, width)`.
    pub fn output(&self) -> (usize, usize) {
        (self.spec.output(self.h), self.spec.output(self.w))
    }

    /// Values of one input image.
    pub fn input_len(&self) -> usize {
        self.h * self.w * self.spec.c_in
    }

    /// Values of one output image.
    pub fn output_len(&self) -> usize {
        self.positions() * self.spec.c_out
    }

    /// Output positions of one image.
    pub fn positions(&self) -> usize {
        let (h, w) = self.output();
        h * w
    }

    /// Values in the receptive field: `k * k * c_in`.
    pub fn patch(&self) -> usize {
        self.spec.kernel * self.spec.kernel * self.spec.c_in
    }

    /// Calls `visit(patch offset, input offset)` for every run of `c_in` values outside the
    /// padding.
    fn for_each_tap(&self, mut visit: impl FnMut(usize, usize)) {
        let (k, s, c, pad) =
            (self.spec.kernel, self.spec.stride, self.spec.c_in, self.spec.kernel / 2);
        let (out_h, out_w) = self.output();
        let mut offset = 0;
        for oy in 0..out_h {
            for ox in 0..out_w {
                for ky in 0..k {
                    let y = (oy * s + ky).wrapping_sub(pad);
                    for kx in 0..k {
                        let x = (ox * s + kx).wrapping_sub(pad);
                        if y < self.h && x < self.w {
                            visit(offset, (y * self.w + x) * c);
                        }
                        offset += c;
                    }
                }
            }
        }
    }

    /// Patches of one image: `x (H, W, c_in)` -> `columns (positions, k, k, c_in)`.
    pub fn im2col(&self, x: &[f32], columns: &mut [f32]) {
        let (taps, (_, width)) = (Taps::from_spec(&self.spec), self.output());
        for (y, line) in columns.chunks_exact_mut(width * self.patch()).enumerate() {
            taps.line(x, [self.h, self.w], y, line);
        }
    }

    /// The adjoint of [`Self::im2col`]: adds every patch to its position in `x`.
    pub fn col2im(&self, columns: &[f32], x: &mut [f32]) {
        let c = self.spec.c_in;
        self.for_each_tap(|from, to| {
            for (a, b) in x[to..to + c].iter_mut().zip(&columns[from..from + c]) {
                *a += b;
            }
        });
    }
}

/// Mean and reciprocal standard deviation of each of [`GROUPS`] groups of channels of one image
/// `(positions, C)`.
pub fn group_statistics(x: &[f32], channels: usize) -> [(f32, f32); GROUPS] {
    let (mut sum, mut square) = (vec![0f32; channels], vec![0f32; channels]);
    // Relative to the first position. Otherwise the difference of two large sums would lose the
    // variance if the mean is large.
    let (base, width) = (&x[..channels], channels / GROUPS);
    Arch::new().dispatch(Moments { x, base, sum: &mut sum, square: &mut square });
    let positions = (x.len() / channels) as f64;
    std::array::from_fn(|g| {
        let range = g * width..(g + 1) * width;
        let count = positions * width as f64;
        let mean =
            range.clone().map(|i| sum[i] as f64 + base[i] as f64 * positions).sum::<f64>() / count;
        let second: f64 = range
            .map(|i| {
                let d = base[i] as f64 - mean;
                square[i] as f64 + 2.0 * d * sum[i] as f64 + d * d * positions
            })
            .sum();
        (mean as f32, (1.0 / ((second / count).max(0.0) + NORM_EPS as f64).sqrt()) as f32)
    })
}

/// Sums of `x - base` and of its square, one per channel. Dispatched kernels are types, here and
/// below, because a closure might not be inlined and compiled for the machine's registers; see
/// `docs/decisions/041-simd-dispatch-by-type.md`.
struct Moments<'a> {
    x: &'a [f32],
    base: &'a [f32],
    sum: &'a mut [f32],
    square: &'a mut [f32],
}

impl WithSimd for Moments<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { x, base, sum, square } = self;
        for row in x.chunks_exact(base.len()) {
            let sums = sum.iter_mut().zip(&mut *square);
            for ((x, base), (sum, square)) in row.iter().zip(base).zip(sums) {
                let v = x - base;
                *sum += v;
                *square += v * v;
            }
        }
    }
}

/// `y = x * scale + shift`, with one scale and shift per channel, then SiLU if `silu`.
pub fn affine(x: &[f32], scale: &[f32], shift: &[f32], silu: bool, y: &mut [f32]) {
    Arch::new().dispatch(Affine { x, scale, shift, silu, y });
}

struct Affine<'a> {
    x: &'a [f32],
    scale: &'a [f32],
    shift: &'a [f32],
    silu: bool,
    y: &'a mut [f32],
}

impl Affine<'_> {
    #[inline(always)]
    fn then(self, then: impl Fn(f32) -> f32) {
        let Self { x, scale, shift, y, .. } = self;
        for (y, x) in y.chunks_exact_mut(scale.len()).zip(x.chunks_exact(scale.len())) {
            for (((y, x), a), b) in y.iter_mut().zip(x).zip(scale).zip(shift) {
                *y = then(x * a + b);
            }
        }
    }
}

impl WithSimd for Affine<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        match self.silu {
            true => self.then(silu),
            false => self.then(|v| v),
        }
    }
}

/// Number of independent partial sums: a single sum in one order does not vectorise.
const LANES: usize = 16;

/// In-place softmax of `scale` times each row of `columns` values.
pub fn softmax_rows(x: &mut [f32], columns: usize, scale: f32) {
    Arch::new().dispatch(Softmax { x, columns, scale });
}

struct Softmax<'a> {
    x: &'a mut [f32],
    columns: usize,
    scale: f32,
}

impl WithSimd for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for row in self.x.chunks_exact_mut(self.columns) {
            let largest = |best: f32, v: f32| if v > best { v } else { best };
            let max = lanes(row, f32::MIN, largest).into_iter().fold(f32::MIN, largest);
            row.iter_mut().for_each(|v| *v = exp((*v - max) * self.scale));
            let total: f32 = lanes(row, 0.0, |sum, v| sum + v).into_iter().sum();
            row.iter_mut().for_each(|v| *v *= 1.0 / total);
        }
    }
}

/// Folds every [`LANES`]-th value.
#[inline(always)]
fn lanes(row: &[f32], start: f32, fold: impl Fn(f32, f32) -> f32) -> [f32; LANES] {
    let mut folded = [start; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        folded.iter_mut().zip(chunk).for_each(|(sum, v)| *sum = fold(*sum, *v));
    }
    folded.iter_mut().zip(rest).for_each(|(sum, v)| *sum = fold(*sum, *v));
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_close_to_libm() {
        for i in -8600..8700 {
            let x = i as f32 / 100.0;
            let (a, b) = (exp(x) as f64, (x as f64).exp());
            assert!((a - b).abs() <= 4e-7 * b, "{x}: {a} {b}");
        }
    }

    #[test]
    fn col2im_is_the_adjoint_of_im2col() {
        for (kernel, stride, h, w) in [(3, 1, 5, 7), (3, 2, 6, 5), (1, 2, 4, 4)] {
            let shape = ConvShape { spec: ConvSpec::conv(2, 3, kernel, stride), h, w };
            let x: Vec<f32> = (0..h * w * 2).map(|i| ((i * 37 % 11) as f32) - 5.0).collect();
            let columns = shape.positions() * shape.patch();
            let y: Vec<f32> = (0..columns).map(|i| ((i * 53 % 13) as f32) - 6.0).collect();
            let (mut ax, mut aty) = (vec![0.0; columns], vec![0.0; x.len()]);
            shape.im2col(&x, &mut ax);
            shape.col2im(&y, &mut aty);
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
            assert_eq!(dot(&ax, &y), dot(&x, &aty));
        }
    }
}
