//! The gradients of a convolution's weight and bias.
//!
//! The weight's gradient is a product that is summed over the output positions. Its right operand
//! is the input as pairs of neighbouring positions, once for each column of the kernel.

use std::cell::Cell;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::blocks::{Block, Product, RowBlocks, Run, Start, WIDTH};
use super::memory::Aligned;
use super::{Bf16, pair};
use engine::nn::kernels::ConvShape;

/// Output positions of a group of images, at least those of one image. The group's operands stay in
/// the second-level cache.
const POSITIONS: usize = 512;
/// Number of tasks, which divide the output channels.
const TASKS: usize = 4;
/// Unused pairs between the rows of two channels. Rows at a distance of a power of two would share
/// cache lines.
const GAP: usize = 16;

thread_local! {
    /// The operands of a batch. The memory is reused.
    static OPERANDS: Cell<[Aligned; 2]> = const { Cell::new([Aligned::new(), Aligned::new()]) };
}

/// Layout of a group of images.
#[derive(Clone, Copy)]
struct Layout {
    shape: ConvShape,
    images: usize,
    /// Pairs of positions in a line of the output. With an odd width, the last value is zero.
    pairs: usize,
    /// Lines of an input that the kernel uses, including the margin.
    lines: usize,
}

/// Gradients of the weight `[c_out, k, k, c_in]` and of the bias `[c_out]`.
pub fn weight_gradient(
    bf16: Bf16,
    shape: ConvShape,
    x: &[f32],
    dy: &[f32],
) -> (Vec<f32>, Vec<f32>) {
    let (spec, (height, width)) = (shape.spec, shape.output());
    let (x_len, dy_len) = (shape.h * shape.w * spec.c_in, shape.positions() * spec.c_out);
    let batch = x.len() / x_len;
    let layout = Layout {
        shape,
        // At least two groups if there are two images, so that two threads can fill them.
        images: POSITIONS.div_ceil(shape.positions()).min(batch.div_ceil(2).max(1)),
        pairs: width.div_ceil(2),
        lines: (height - 1) * spec.stride + spec.kernel,
    };
    let groups = batch.div_ceil(layout.images);
    let mut operands = OPERANDS.take();
    let [left, right] = &mut operands;
    let (pairs, right) =
        (left.slice::<u32>(groups * layout.left_len()), right.slice(groups * layout.right_len()));
    let db = pairs
        .par_chunks_exact_mut(layout.left_len())
        .zip(right.par_chunks_exact_mut(layout.right_len()))
        .zip(x.par_chunks(layout.images * x_len).zip(dy.par_chunks(layout.images * dy_len)))
        .map(|((left, right), (x, dy))| {
            layout.fill_right(x, right);
            layout.fill_left(dy, left)
        });
    let db: Vec<Vec<f32>> = db.collect();
    let (left_len, left) =
        (2 * layout.left_len(), left.first::<u16>(2 * groups * layout.left_len()));
    let mut dw = vec![0.0; spec.c_out * shape.patch()];
    let share = spec.c_out.div_ceil(TASKS).next_multiple_of(WIDTH);
    dw.par_chunks_mut(share * shape.patch()).enumerate().for_each(|(task, dw)| {
        for (group, (left, right)) in
            left.chunks_exact(left_len).zip(right.chunks_exact(layout.right_len())).enumerate()
        {
            let images = layout.images.min(batch - group * layout.images);
            let left = &left[2 * task * share * layout.row()..];
            layout.add_products(bf16, images, left, right, dw, group > 0);
        }
    });
    OPERANDS.set(operands);
    let mut sum = vec![0.0; spec.c_out];
    db.iter().for_each(|part| sum.iter_mut().zip(part).for_each(|(a, b)| *a += b));
    (dw, sum)
}

impl Layout {
    /// Pairs of one output channel in the left operand.
    fn row(&self) -> usize {
        self.images * self.shape.output().0 * self.pairs + GAP
    }

    fn left_len(&self) -> usize {
        self.shape.spec.c_out * self.row()
    }

    /// Pairs of one column of the kernel in the right operand.
    fn copy(&self) -> usize {
        self.images * self.lines * self.pairs * self.shape.spec.c_in
    }

    /// Size of the right operand. Tiles can read beyond the last channel.
    fn right_len(&self) -> usize {
        self.shape.spec.kernel * self.copy() + WIDTH
    }

    /// Fills the left operand: one row per channel of the output's gradient. Returns the sum of
    /// each channel.
    fn fill_left(&self, dy: &[f32], out: &mut [u32]) -> Vec<f32> {
        let (c_out, (_, width)) = (self.shape.spec.c_out, self.shape.output());
        let mut sums = vec![0.0; c_out];
        let zeros = vec![0.0; c_out];
        for (number, line) in dy.chunks_exact(width * c_out).enumerate() {
            for (i, pixels) in line.chunks(2 * c_out).enumerate() {
                let (first, second) = pixels.split_at(c_out);
                let second = if second.is_empty() { &zeros } else { second };
                let at = number * self.pairs + i;
                Arch::new().dispatch(Transpose {
                    first,
                    second,
                    sums: &mut sums,
                    row: self.row(),
                    out: &mut out[at..],
                });
            }
        }
        sums
    }

    /// Fills the right operand: pairs of neighbouring positions, in the order `(kernel column,
    /// image, line, pair, channel)`.
    fn fill_right(&self, x: &[f32], out: &mut [u32]) {
        let (spec, margin) = (self.shape.spec, self.shape.spec.kernel / 2);
        let (h, w, c) = (self.shape.h, self.shape.w, spec.c_in);
        let (zeros, width) = (vec![0.0; c], self.shape.output().1);
        for (kx, out) in out.chunks_exact_mut(self.copy()).take(spec.kernel).enumerate() {
            for (image, out) in
                x.chunks_exact(h * w * c).zip(out.chunks_exact_mut(self.lines * self.pairs * c))
            {
                for (line, out) in out.chunks_exact_mut(self.pairs * c).enumerate() {
                    let y = line.wrapping_sub(margin);
                    if y >= h {
                        out.fill(0);
                        continue;
                    }
                    let pixel = |position: usize| {
                        let x = (position * spec.stride + kx).wrapping_sub(margin);
                        if x < w && position < width {
                            &image[(y * w + x) * c..][..c]
                        } else {
                            &zeros
                        }
                    };
                    for (i, out) in out.chunks_exact_mut(c).enumerate() {
                        Arch::new().dispatch(Interleave {
                            first: pixel(2 * i),
                            second: pixel(2 * i + 1),
                            out,
                        });
                    }
                }
            }
        }
    }

    /// Computes a group's part of the weight's gradient, for some output channels. With `add`, it
    /// is added to `dw`.
    fn add_products(
        &self,
        bf16: Bf16,
        images: usize,
        left: &[u16],
        right: &[u32],
        dw: &mut [f32],
        add: bool,
    ) {
        let spec = self.shape.spec;
        let runs = self.runs(images);
        let product = Product::new(left, (right, spec.c_in), &runs.places, runs.pairs);
        let patch = self.shape.patch();
        let (starts, places): (Vec<usize>, Vec<usize>) =
            (0..dw.len() / patch).map(|c| (2 * c * self.row(), c * patch)).unzip();
        let taps =
            (0..spec.kernel * spec.kernel).map(|tap| (tap, tap / spec.kernel, tap % spec.kernel));
        let blocks = taps.flat_map(|(tap, ky, kx)| {
            (0..spec.c_in).step_by(WIDTH).map(move |first| Block {
                column: kx * self.copy() + ky * self.pairs * spec.c_in + first,
                columns: WIDTH.min(spec.c_in - first),
                offset: tap * spec.c_in + first,
            })
        });
        let rows = RowBlocks { starts: &starts, places: &places };
        let start = if add { Start::Result } else { Start::Zero };
        bf16.multiply(&product, rows, &blocks.collect::<Vec<_>>(), start, dw);
    }

    /// The positions of a group's images. Without a stride, all positions of an image are
    /// contiguous in both operands; otherwise only those of a line.
    fn runs(&self, images: usize) -> Runs {
        let (spec, height) = (self.shape.spec, self.shape.output().0);
        let lines = if spec.stride == 1 { height } else { 1 };
        let pairs = lines * self.pairs;
        let place = |run: usize| {
            let (image, line) = (run * lines / height, run * lines % height);
            let input = (image * self.lines + line * spec.stride) * self.pairs;
            Run { left: run * 2 * pairs, right: input * spec.c_in }
        };
        Runs { places: (0..images * height / lines).map(place).collect(), pairs }
    }
}

/// Starts of the runs, and the number of pairs in each.
struct Runs {
    places: Vec<Run>,
    pairs: usize,
}

/// Interleaves the channels of two positions.
struct Interleave<'a> {
    first: &'a [f32],
    second: &'a [f32],
    out: &'a mut [u32],
}

impl WithSimd for Interleave<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let values = self.first.iter().zip(self.second);
        self.out.iter_mut().zip(values).for_each(|(out, (a, b))| *out = pair(*a, *b));
    }
}

/// Writes the channels of two positions into one row per channel, and adds them to the sums.
struct Transpose<'a> {
    first: &'a [f32],
    second: &'a [f32],
    sums: &'a mut [f32],
    row: usize,
    out: &'a mut [u32],
}

impl WithSimd for Transpose<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { first, second, sums, row, out } = self;
        for (c, ((sum, a), b)) in sums.iter_mut().zip(first).zip(second).enumerate() {
            *sum += a + b;
            out[c * row] = pair(*a, *b);
        }
    }
}
