//! Convolutions of the packed executor: the zero-padded input times packed weights.

use super::buffers::{Activation, Buffers};
use super::panels::{PackedMatrix, RowRuns};
use super::winograd::{self, Winograd};
use crate::nn::backend::ConvSpec;
use crate::nn::kernels::Taps;
use crate::{Error, Result};

/// A convolution with packed weights.
#[derive(Debug)]
pub struct PackedConv {
    pub(super) spec: ConvSpec,
    weights: Weights,
    bias: Option<Vec<f32>>,
}

/// The algorithm of a layer, with its weights.
#[derive(Debug)]
enum Weights {
    /// Matrices `[k * k * c_in, c_out]`: one, or one per phase (four) of an upsampled layer.
    Direct(Vec<Phase>),
    Winograd(Winograd),
}

/// The weights for a subset of the output positions, which repeats along both axes.
#[derive(Debug)]
struct Phase {
    taps: Taps,
    weights: PackedMatrix,
    /// The first of its output positions.
    offset: [usize; 2],
}

/// Scratch memory shared by the layers of an executor.
#[derive(Debug, Default)]
pub(super) struct ConvScratch {
    padded: Vec<f32>,
    /// For each output position, the start of its receptive field in the padded input.
    starts: Vec<usize>,
    /// For each output position, the offset of its channels in the output.
    to: Vec<usize>,
    winograd: winograd::WinogradScratch,
}

impl PackedConv {
    /// Packs weights `[c_out, c_in, k, k]`.
    pub(super) fn new(spec: ConvSpec, stored: &[f32], bias: Option<Vec<f32>>) -> Self {
        let weights = if Winograd::suits(&spec) {
            Weights::Winograd(Winograd::new(&spec, stored))
        } else if spec.upsampled {
            let phases = [[0, 0], [0, 1], [1, 0], [1, 1]];
            Weights::Direct(phases.map(|phase| upsampled_phase(&spec, stored, phase)).into())
        } else {
            let weights = PackedMatrix::new(&rows(&spec, stored), spec.c_out);
            Weights::Direct(vec![Phase { taps: Taps::from_spec(&spec), weights, offset: [0, 0] }])
        };
        Self { spec, weights, bias }
    }

    /// Applies the layer to `x` and adds `onto`, if there is one.
    pub(super) fn forward(
        &self,
        x: &Activation,
        onto: Option<&Activation>,
        buffers: &Buffers,
        scratch: &mut ConvScratch,
    ) -> Result<Activation> {
        let [b, h, w, c] = x.dims;
        if c != self.spec.c_in {
            return Err(Error::Compute(format!(
                "expected {} input channels, found {c}",
                self.spec.c_in
            )));
        }
        let dims = [b, self.spec.output(h), self.spec.output(w), self.spec.c_out];
        if let Some(odd) = onto.filter(|onto| onto.dims != dims) {
            let message = format!("expected a summand of shape {dims:?}, found {:?}", odd.dims);
            return Err(Error::Compute(message));
        }
        let mut y = buffers.take(dims.iter().product());
        self.init_output(onto, &mut y);
        match &self.weights {
            Weights::Direct(phases) => self.multiply(phases, x, dims, &mut y, scratch),
            Weights::Winograd(weights) => {
                pad(x, 1, Winograd::padded([h, w]), &mut scratch.padded);
                weights.add(&scratch.padded, [b, h, w], &mut y, &mut scratch.winograd);
            }
        }
        Ok(Activation::new(dims, y))
    }

    /// Adds the phases' products to `y`, of size `dims`.
    fn multiply(
        &self,
        phases: &[Phase],
        x: &Activation,
        dims: [usize; 4],
        y: &mut [f32],
        scratch: &mut ConvScratch,
    ) {
        let ([_, h, w, c], padding) = (x.dims, self.spec.kernel / 2);
        let size = [h + 2 * padding, w + 2 * padding];
        if padding > 0 {
            pad(x, padding, size, &mut scratch.padded);
        }
        let ConvScratch { padded, starts, to, .. } = scratch;
        let data = if padding > 0 { &padded[..] } else { &x.data[..] };
        for phase in phases {
            phase.positions(size, padding, dims, self.spec.zoom(), starts, to);
            let (runs, run) = (phase.taps.kernel, phase.taps.kernel * c);
            phase.weights.multiply(RowRuns { data, starts, runs, run, stride: size[1] * c }, to, y);
        }
    }

    /// Initialises `y` with `onto` and the bias.
    fn init_output(&self, onto: Option<&Activation>, y: &mut [f32]) {
        match (onto, &self.bias) {
            (Some(onto), None) => y.copy_from_slice(&onto.data),
            (None, None) => y.fill(0.0),
            (None, Some(bias)) => {
                y.chunks_exact_mut(bias.len()).for_each(|row| row.copy_from_slice(bias))
            }
            (Some(onto), Some(bias)) => {
                let rows = y.chunks_exact_mut(bias.len()).zip(onto.data.chunks_exact(bias.len()));
                for (row, onto) in rows {
                    row.iter_mut().zip(onto).zip(bias).for_each(|((y, a), b)| *y = a + b);
                }
            }
        }
    }
}

impl Phase {
    /// Computes `starts` and `to` of its output positions. The input is `height x width`, including
    /// `padding` zeros at every side.
    fn positions(
        &self,
        [height, width]: [usize; 2],
        padding: usize,
        [b, h, w, c_out]: [usize; 4],
        zoom: usize,
        starts: &mut Vec<usize>,
        to: &mut Vec<usize>,
    ) {
        let Taps { stride, before, c_in, .. } = self.taps;
        starts.clear();
        to.clear();
        for image in 0..b {
            for y in 0..h / zoom {
                let line = (image * height + y * stride + padding - before[0]) * width + padding
                    - before[1];
                let out = (image * h + y * zoom + self.offset[0]) * w + self.offset[1];
                starts.extend((0..w / zoom).map(|x| (line + x * stride) * c_in));
                to.extend((0..w / zoom).map(|x| (out + x * zoom) * c_out));
            }
        }
    }
}

/// Copies the images into zero images of `height x width`, offset by `offset` along both axes.
fn pad(x: &Activation, offset: usize, [height, width]: [usize; 2], padded: &mut Vec<f32>) {
    let [b, h, w, c] = x.dims;
    padded.clear();
    padded.resize(b * height * width * c, 0.0);
    for (number, line) in x.data.chunks_exact(w * c).enumerate() {
        let at = ((number / h * height + number % h + offset) * width + offset) * c;
        padded[at..at + w * c].copy_from_slice(line);
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

/// The weights of one phase of an upsampled layer. Nearest-neighbour upsampling repeats pixels, so
/// that several of a kernel's nine weights multiply the same pixel and can be summed. Each of the
/// four output positions of a pixel then has a 2 x 2 receptive field, with less than half the
/// products.
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
    Phase { taps, weights: PackedMatrix::new(&values, c_out), offset: [py, px] }
}
