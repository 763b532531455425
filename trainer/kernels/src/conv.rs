//! A convolution, and the gradient of its input, which is a convolution of the output's.

use std::cell::Cell;

use rayon::prelude::*;

use super::Bf16;
use super::blocks::{Product, RowBlocks, Run, Start, WIDTH};
use super::memory::Aligned;
use super::padded::Padded;
use super::panels::WeightPanels;
use engine::nn::kernels::ConvShape;

/// Output positions of one task: the lowest resolutions of a small batch (24 images of 4 x 4) are
/// several.
const ROWS_PER_TASK: usize = 64;

thread_local! {
    /// Rounded images of a task, in memory that is used again.
    static IMAGES: Cell<Aligned> = const { Cell::new(Aligned::new()) };
}

/// Outputs in lines and columns that all see as many taps of the kernel.
struct Sweep {
    panels: WeightPanels,
    /// Lines and columns of outputs in an image.
    grid: [usize; 2],
    /// Where the first tap of the first output lies in the padded image, line and column.
    first: [usize; 2],
    /// Pixels between two outputs' first taps.
    stride: usize,
    /// Lines of taps, and values of such a line.
    taps: [usize; 2],
    /// Where the first output is written, and how far from it the next line's and the next
    /// column's.
    out: [usize; 3],
}

/// `x (batch, H, W, c_in)` to `y`, with weights `[c_out, k, k, c_in]`.
pub fn forward(bf16: Bf16, shape: ConvShape, x: &[f32], weight: &[f32], bias: &[f32]) -> Vec<f32> {
    let (spec, [lines, columns]) = (shape.spec, <[usize; 2]>::from(shape.output()));
    let line = spec.kernel * spec.c_in;
    let rows = (0..spec.kernel).flat_map(|ky| even(ky * line..(ky + 1) * line)).collect::<Vec<_>>();
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
    swept(bf16, &[sweep], input, x, shape.positions() * spec.c_out, Some(bias))
}

/// The gradient of `x` for that of `y`.
///
/// With a stride, outputs of `s * s` kinds see different taps of the kernel: each kind is a sweep.
pub fn input_gradient(bf16: Bf16, shape: ConvShape, dy: &[f32], weight: &[f32]) -> Vec<f32> {
    let (spec, (height, width)) = (shape.spec, shape.output());
    let output = Padded { height, width, channels: spec.c_out, margin: spec.kernel / 2 };
    let phases = (0..spec.stride).flat_map(|y| (0..spec.stride).map(move |x| [y, x]));
    let sweeps: Vec<Sweep> =
        phases.filter_map(|phase| phase_of_gradient(bf16, shape, weight, phase)).collect();
    swept(bf16, &sweeps, output, dy, shape.h * shape.w * spec.c_in, None)
}

/// The sweep over the inputs whose line and column leave these rests on division by the stride;
/// none where no tap sees them.
fn phase_of_gradient(
    bf16: Bf16,
    shape: ConvShape,
    weight: &[f32],
    phase: [usize; 2],
) -> Option<Sweep> {
    let (spec, margin) = (shape.spec, shape.spec.kernel / 2);
    // Taps see an input from outputs that lie the further down, the nearer to the kernel's
    // beginning they are.
    let seen = |rest: usize, tap: usize| {
        (rest + margin + spec.stride * spec.kernel - tap).is_multiple_of(spec.stride)
    };
    let [lines, columns]: [Vec<usize>; 2] =
        phase.map(|rest| (0..spec.kernel).rev().filter(|tap| seen(rest, *tap)).collect());
    let from = |rest: usize, tap: usize| (rest + margin + spec.stride * margin - tap) / spec.stride;
    let first = [from(phase[0], *lines.first()?), from(phase[1], *columns.first()?)];
    let run = |ky: usize| {
        let taps = columns.iter().map(move |kx| (ky * spec.kernel + kx) * spec.c_in);
        even(taps.flat_map(|tap| (0..spec.c_out).map(move |c| c * shape.patch() + tap)))
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

/// A line of taps, with a row of zeros where the number is odd: pairs do not reach into the next
/// line.
fn even(rows: impl Iterator<Item = usize>) -> Vec<Option<usize>> {
    let mut rows: Vec<_> = rows.map(Some).collect();
    if !rows.len().is_multiple_of(2) {
        rows.push(None);
    }
    rows
}

/// What sweeps over rounded images make: `out_len` values an image, with `bias` where there is one.
fn swept(
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

    /// Where every output's patch starts in the padded images, and where it is written.
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
