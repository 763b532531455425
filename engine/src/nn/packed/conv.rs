//! Convolutions of the packed executor: patches of some rows at a time, times weights that were laid out once.

use super::buffers::{Activation, Buffers};
use crate::nn::backend::ConvSpec;
use crate::nn::kernels::{Matrix, Taps, matmul};
use crate::{Error, Result};

/// Values of the patch matrix that are made at a time: half of a usual second-level cache.
const COLUMNS: usize = 128 << 10;

/// A convolution with its weights as `[k * k * c_in, c_out]`; one such matrix for each of the four phases of an
/// upsampled one.
#[derive(Debug)]
pub struct PackedConv {
    pub(super) spec: ConvSpec,
    phases: Vec<Phase>,
    bias: Option<Vec<f32>>,
}

/// What reaches one output position out of every so many.
#[derive(Debug)]
struct Phase {
    taps: Taps,
    /// `[patch, c_out]`.
    weights: Vec<f32>,
}

impl Phase {
    /// `y += x weights`, `x` a patch a row.
    fn multiply(&self, x: &[f32], y: &mut [f32], c_out: usize) {
        let patch = self.taps.patch();
        let (x, weights, rows) =
            (Matrix::rows(x, patch), Matrix::rows(&self.weights, c_out), x.len() / patch);
        matmul([rows, c_out, patch], x, weights, y, c_out, true);
    }
}

/// Memory that the layers of an executor share.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    columns: Vec<f32>,
    product: Vec<f32>,
}

impl PackedConv {
    /// Lays out weights `[c_out, c_in, k, k]`.
    pub(super) fn new(spec: ConvSpec, stored: &[f32], bias: Option<Vec<f32>>) -> Self {
        let phases = match spec.upsampled {
            true => {
                [[0, 0], [0, 1], [1, 0], [1, 1]].map(|phase| upsampled_phase(&spec, stored, phase)).into()
            }
            false => vec![Phase { taps: Taps::of(&spec), weights: rows(&spec, stored) }],
        };
        Self { spec, phases, bias }
    }

    /// `x` through the layer, on top of `onto` where that is given.
    pub(super) fn forward(
        &self,
        x: &Activation,
        onto: Option<&Activation>,
        buffers: &Buffers,
        scratch: &mut Scratch,
    ) -> Result<Activation> {
        let [b, h, w, c] = x.dims;
        if c != self.spec.c_in {
            return Err(Error::Compute(format!("a layer of {} channels was given {c}", self.spec.c_in)));
        }
        let dims = [b, self.spec.output(h), self.spec.output(w), self.spec.c_out];
        if let Some(odd) = onto.filter(|onto| onto.dims != dims) {
            return Err(Error::Compute(format!("{dims:?} cannot be laid on {:?}", odd.dims)));
        }
        let mut y = buffers.take(dims.iter().product());
        self.begin(onto, &mut y);
        for (number, phase) in self.phases.iter().enumerate() {
            if self.spec.is_pointwise() {
                phase.multiply(&x.data, &mut y, self.spec.c_out);
            } else {
                let lines = Lines { conv: self, phase, offset: [number / 2, number % 2], x, dims };
                lines.forward(&mut y, scratch);
            }
        }
        Ok(Activation::new(dims, y))
    }

    /// What the products are added to.
    fn begin(&self, onto: Option<&Activation>, y: &mut [f32]) {
        match (onto, &self.bias) {
            (Some(onto), None) => y.copy_from_slice(&onto.data),
            (None, None) => y.fill(0.0),
            (None, Some(bias)) => y.chunks_exact_mut(bias.len()).for_each(|row| row.copy_from_slice(bias)),
            (Some(onto), Some(bias)) => {
                let rows = y.chunks_exact_mut(bias.len()).zip(onto.data.chunks_exact(bias.len()));
                for (row, onto) in rows {
                    row.iter_mut().zip(onto).zip(bias).for_each(|((y, a), b)| *y = a + b);
                }
            }
        }
    }
}

/// One phase of a convolution over one batch.
struct Lines<'a> {
    conv: &'a PackedConv,
    phase: &'a Phase,
    /// Where the phase's first output lies.
    offset: [usize; 2],
    x: &'a Activation,
    /// The output's.
    dims: [usize; 4],
}

impl Lines<'_> {
    /// Some output lines of all images after the other, so that the patches stay in the cache.
    fn forward(&self, y: &mut [f32], scratch: &mut Scratch) {
        let zoom = self.conv.spec.zoom();
        let ([b, height, width, c_out], patch) = (self.dims, self.phase.taps.patch());
        let (height, width) = (height / zoom, width / zoom);
        let blocks = (b * height * width * patch).div_ceil(COLUMNS);
        let lines = (b * height).div_ceil(blocks);
        for first in (0..b * height).step_by(lines) {
            let lines = first..(first + lines).min(b * height);
            scratch.columns.resize(lines.len() * width * patch, 0.0);
            for (line, columns) in lines.clone().zip(scratch.columns.chunks_exact_mut(width * patch)) {
                let image = &self.x.data[line / height * self.x.stride()..][..self.x.stride()];
                let [_, h, w, _] = self.x.dims;
                self.phase.taps.line(image, [h, w], line % height, columns);
            }
            let rows = lines.start * width * c_out..lines.end * width * c_out;
            if zoom == 1 {
                self.phase.multiply(&scratch.columns, &mut y[rows], c_out);
            } else {
                scratch.product.clear();
                scratch.product.resize(rows.len(), 0.0);
                self.phase.multiply(&scratch.columns, &mut scratch.product, c_out);
                self.scatter(&scratch.product, lines.start, y);
            }
        }
    }

    /// Adds the phase's lines, from number `first` on, to their places in the output.
    fn scatter(&self, product: &[f32], first: usize, y: &mut [f32]) {
        let ([_, _, width, c], [dy, dx]) = (self.dims, self.offset);
        for (line, pixels) in product.chunks_exact(width / 2 * c).enumerate() {
            // An image's lines follow the image's before it: no batch in the index.
            let out = &mut y[((first + line) * 2 + dy) * width * c..][..width * c];
            for (pixel, out) in pixels.chunks_exact(c).zip(out.chunks_exact_mut(2 * c)) {
                out[dx * c..][..c].iter_mut().zip(pixel).for_each(|(y, v)| *y += v);
            }
        }
    }
}

/// `[c_out, c_in, k, k]` -> `[k * k * c_in, c_out]`.
fn rows(spec: &ConvSpec, stored: &[f32]) -> Vec<f32> {
    let (patch, mut rows) = (spec.kernel * spec.kernel * spec.c_in, vec![0.0; stored.len()]);
    let lasts = super::to_channels_last(stored, spec);
    for (o, row) in lasts.chunks_exact(patch).enumerate() {
        row.iter().enumerate().for_each(|(p, v)| rows[p * spec.c_out + o] = *v);
    }
    rows
}

/// Nearest-neighbour upsampling repeats pixels: of a kernel's nine weights, those that meet the same pixel are one. Each of
/// the four places that a pixel becomes sees 2 x 2 pixels, with less than half of the work.
fn upsampled_phase(spec: &ConvSpec, stored: &[f32], [py, px]: [usize; 2]) -> Phase {
    let (c_in, c_out) = (spec.c_in, spec.c_out);
    let single = rows(spec, stored);
    let mut values = vec![0.0; 4 * c_in * c_out];
    for ky in 0..3 {
        for kx in 0..3 {
            let (ty, tx) = ((ky + 1 - py) / 2, (kx + 1 - px) / 2);
            let from = &single[(ky * 3 + kx) * c_in * c_out..][..c_in * c_out];
            let to = &mut values[(ty * 2 + tx) * c_in * c_out..][..c_in * c_out];
            to.iter_mut().zip(from).for_each(|(sum, v)| *sum += v);
        }
    }
    let taps = Taps { kernel: 2, stride: 1, before: [1 - py, 1 - px], c_in };
    Phase { taps, weights: values }
}
