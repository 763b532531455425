//! A convolution and the gradient of its input, which is a convolution of the output's gradient.

use std::cell::Cell;

use rayon::prelude::*;

use super::Bf16;
use super::blocks::{Product, RowBlocks, Run, Start, WIDTH};
use super::memory::Aligned;
use super::padded::Padded;
use super::panels::WeightPanels;
use engine::nn::kernels::ConvShape;

/// Minimum number of output positions of one task. At the lowest resolution of a small batch (24
/// images of 4 x 4), there are still several tasks.
const ROWS_PER_TASK: usize = 64;

thread_local! {
    /// Rounded images of a task. The memory is reused.
    static IMAGES: Cell<Aligned> = const { Cell::new(Aligned::new()) };
}

/// Outputs on a regular grid that use the same taps of the kernel.
struct Sweep {
    panels: WeightPanels,
    /// Lines and columns of outputs per image.
    grid: [usize; 2],
    /// Line and column of the first output's first tap in the padded image.
    first: [usize; 2],
    /// Distance between the first taps of neighbouring outputs, in pixels.
    stride: usize,
    /// Number of lines of taps, and values per line.
    taps: [usize; 2],
    /// Offset of the first output, and the distances to the next line and to the next column.
    out: [usize; 3],
}

/// Convolves `x`, shape `(batch, H, W, c_in)`, with weights `[c_out, k, k, c_in]`. Returns
/// `(batch, H', W', c_out)`.
pub fn forward(bf16: Bf16, shape: ConvShape, x: &[f32], weight: &[f32], bias: &[f32]) -> Vec<f32> {
    let (spec, [lines, columns]) = (shape.spec, <[usize; 2]>::from(shape.output()));
    let line = spec.kernel * spec.c_in;
    let rows =
        (0..spec.kernel).flat_map(|ky| pad_to_even(ky * line..(ky + 1) * line)).collect::<Vec<_>>();
    let sweep = Sweep {
        panels: WeightPanels::pack(bf16, weight, &rows, spec.c_out, shape.patch()),
        grid: [lines, columns],
        first: [0, 0],
        stride: spec.stride,
        taps: [spec.kernel, line],
        out: [0, columns * spec.c_out, spec.c_out],
    };
    let input =
        Padded { height: shape.h, width: shape.w, channels: spec.c_in, margin: spec.kernel / 2 };
    run_sweeps(bf16, &[sweep], input, x, shape.positions() * spec.c_out, Some(bias))
}

/// The gradient of the input for the gradient `dy` of the output.
///
/// With a stride `s`, there are `s * s` phases of input pixels, which use different taps of the
/// kernel. Each phase is a sweep.
pub fn input_gradient(bf16: Bf16, shape: ConvShape, dy: &[f32], weight: &[f32]) -> Vec<f32> {
    let (spec, (height, width)) = (shape.spec, shape.output());
    let output = Padded { height, width, channels: spec.c_out, margin: spec.kernel / 2 };
    let phases = (0..spec.stride).flat_map(|y| (0..spec.stride).map(move |x| [y, x]));
    let sweeps: Vec<Sweep> =
        phases.filter_map(|phase| phase_of_gradient(bf16, shape, weight, phase)).collect();
    run_sweeps(bf16, &sweeps, output, dy, shape.h * shape.w * spec.c_in, None)
}

/// The sweep over the inputs with these remainders of line and column modulo the stride. `None`
/// if no tap uses them.
fn phase_of_gradient(
    bf16: Bf16,
    shape: ConvShape,
    weight: &[f32],
    phase: [usize; 2],
) -> Option<Sweep> {
    let (spec, margin) = (shape.spec, shape.spec.kernel / 2);
    // An input is tap `t` of the output at `(input + margin - t) / stride`, so the taps are in
    // reverse order of the outputs.
    let is_used = |rest: usize, tap: usize| {
        (rest + margin + spec.stride * spec.kernel - tap).is_multiple_of(spec.stride)
    };
    let [lines, columns]: [Vec<usize>; 2] =
        phase.map(|rest| (0..spec.kernel).rev().filter(|tap| is_used(rest, *tap)).collect());
    let from = |rest: usize, tap: usize| (rest + margin + spec.stride * margin - tap) / spec.stride;
    let first = [from(phase[0], *lines.first()?), from(phase[1], *columns.first()?)];
    let run = |ky: usize| {
        let taps = columns.iter().map(move |kx| (ky * spec.kernel + kx) * spec.c_in);
        pad_to_even(taps.flat_map(|tap| (0..spec.c_out).map(move |c| c * shape.patch() + tap)))
    };
    let rows = lines.iter().flat_map(|ky| run(*ky)).collect::<Vec<_>>();
    let pixel = |y: usize, x: usize| (y * shape.w + x) * spec.c_in;
    Some(Sweep {
        panels: WeightPanels::pack(bf16, weight, &rows, spec.c_in, 1),
        grid: [0, 1]
            .map(|axis| [shape.h, shape.w][axis].saturating_sub(phase[axis]).div_ceil(spec.stride)),
        first,
        stride: 1,
        taps: [lines.len(), columns.len() * spec.c_out],
        out: [pixel(phase[0], phase[1]), pixel(spec.stride, 0), pixel(0, spec.stride)],
    })
}

/// Rows of a line of taps. A row of zeros (`None`) follows an odd number, so that no pair contains
/// values of two lines.
fn pad_to_even(rows: impl Iterator<Item = usize>) -> Vec<Option<usize>> {
    let mut rows: Vec<_> = rows.map(Some).collect();
    if !rows.len().is_multiple_of(2) {
        rows.push(None);
    }
    rows
}

/// Runs sweeps over rounded images. Returns `out_len` values per image, with the bias added.
fn run_sweeps(
    bf16: Bf16,
    sweeps: &[Sweep],
    input: Padded,
    images: &[f32],
    out_len: usize,
    bias: Option<&[f32]>,
) -> Vec<f32> {
    let image_len = input.height * input.width * input.channels;
    let batch = images.len() / image_len;
    let mut out = vec![0.0; batch * out_len];
    let rows: usize = sweeps.iter().map(|sweep| sweep.grid[0] * sweep.grid[1]).sum();
    let group = ROWS_PER_TASK.div_ceil(rows.max(1)).min(batch.max(1));
    out.par_chunks_mut(group * out_len).zip(images.par_chunks(group * image_len)).for_each(
        |(out, images)| {
            let mut memory = IMAGES.take();
            let padded = input.fill(images, &mut memory);
            for sweep in sweeps {
                sweep.run(bf16, input, padded, out, out_len, bias);
            }
            IMAGES.set(memory);
        },
    );
    out
}

impl Sweep {
    fn run(
        &self,
        bf16: Bf16,
        input: Padded,
        images: &[u16],
        out: &mut [f32],
        out_len: usize,
        bias: Option<&[f32]>,
    ) {
        let pairs = self.taps[1].div_ceil(2);
        let runs: Vec<Run> = (0..self.taps[0])
            .map(|tap| Run { left: tap * input.line(), right: tap * pairs * WIDTH })
            .collect();
        let product = Product::new(images, (self.panels.data(), WIDTH), &runs, pairs);
        let (starts, places) = self.positions(input, out.len() / out_len, out_len);
        let start = bias.map_or(Start::Zero, Start::Row);
        let rows = RowBlocks { starts: &starts, places: &places };
        bf16.multiply(&product, rows, &self.panels.blocks(), start, out);
    }

    /// For every output, the start of its patch in the padded images and its place in the output.
    fn positions(&self, input: Padded, images: usize, out_len: usize) -> (Vec<usize>, Vec<usize>) {
        let [lines, columns] = self.grid;
        let mut starts = Vec::with_capacity(images * lines * columns);
        let mut places = Vec::with_capacity(starts.capacity());
        for image in 0..images {
            for y in 0..lines {
                let line = image * input.image() + (self.first[0] + y * self.stride) * input.line();
                let place = image * out_len + self.out[0] + y * self.out[1];
                starts.extend(
                    (0..columns).map(|x| line + (self.first[1] + x * self.stride) * input.channels),
                );
                places.extend((0..columns).map(|x| place + x * self.out[2]));
            }
        }
        (starts, places)
    }
}
