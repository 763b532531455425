//! Convolutions of the packed executor: the input, with zeros around it, times weights that were
//! laid out once.

use super::buffers::{Activation, Buffers};
use super::panels::{PackedMatrix, RowRuns};
use super::winograd::{self, Winograd};
use crate::nn::backend::ConvSpec;
use crate::nn::kernels::Taps;
use crate::{Error, Result};

/// A convolution with its weights laid out.
#[derive(Debug)]
pub struct PackedConv {
    pub(super) spec: ConvSpec,
    weights: Weights,
    bias: Option<Vec<f32>>,
}

/// How a layer is multiplied.
#[derive(Debug)]
enum Weights {
    /// As `[k * k * c_in, c_out]`; one such matrix for each of the four phases of an upsampled
    /// layer.
    Direct(Vec<Phase>),
    Winograd(Winograd),
}

/// What reaches one output position out of every so many.
#[derive(Debug)]
struct Phase {
    taps: Taps,
    weights: PackedMatrix,
    /// The first of its output positions.
    offset: [usize; 2],
}

/// Memory that the layers of an executor share.
#[derive(Debug, Default)]
pub(super) struct ConvScratch {
    padded: Vec<f32>,
    /// Where in the padded input each output position begins to see.
    starts: Vec<usize>,
    /// Where in the output its channels begin.
    to: Vec<usize>,
    winograd: winograd::WinogradScratch,
}

impl PackedConv {
    /// Lays out weights `[c_out, c_in, k, k]`.
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

    /// `x` through the layer, on top of `onto` where that is given.
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
                "a layer of {} channels was given {c}",
                self.spec.c_in
            )));
        }
        let dims = [b, self.spec.output(h), self.spec.output(w), self.spec.c_out];
        if let Some(odd) = onto.filter(|onto| onto.dims != dims) {
            return Err(Error::Compute(format!("{dims:?} cannot be laid on {:?}", odd.dims)));
        }
        let mut y = buffers.take(dims.iter().product());
        self.begin(onto, &mut y);
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
        let ([_, h, w, c], around) = (x.dims, self.spec.kernel / 2);
        let size = [h + 2 * around, w + 2 * around];
        if around > 0 {
            pad(x, around, size, &mut scratch.padded);
        }
        let ConvScratch { padded, starts, to, .. } = scratch;
        let data = if around > 0 { &padded[..] } else { &x.data[..] };
        for phase in phases {
            phase.places(size, around, dims, self.spec.zoom(), starts, to);
            let (runs, run) = (phase.taps.kernel, phase.taps.kernel * c);
            phase.weights.multiply(RowRuns { data, starts, runs, run, stride: size[1] * c }, to, y);
        }
    }

    /// What the products are added to.
    fn begin(&self, onto: Option<&Activation>, y: &mut [f32]) {
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
    /// Where its output positions see, in an input of `height x width` with `around` zeros at every
    /// side, and where they lie.
    fn places(
        &self,
        [height, width]: [usize; 2],
        around: usize,
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
                let line =
                    (image * height + y * stride + around - before[0]) * width + around - before[1];
                let out = (image * h + y * zoom + self.offset[0]) * w + self.offset[1];
                starts.extend((0..w / zoom).map(|x| (line + x * stride) * c_in));
                to.extend((0..w / zoom).map(|x| (out + x * zoom) * c_out));
            }
        }
    }
}

/// The images in so large ones of zeros, so far from their upper left.
fn pad(x: &Activation, around: usize, [height, width]: [usize; 2], padded: &mut Vec<f32>) {
    let [b, h, w, c] = x.dims;
    padded.clear();
    padded.resize(b * height * width * c, 0.0);
    for (number, line) in x.data.chunks_exact(w * c).enumerate() {
        let at = ((number / h * height + number % h + around) * width + around) * c;
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

/// Nearest-neighbour upsampling repeats pixels: of a kernel's nine weights, those that meet the
/// same pixel are one. Each of the four places that a pixel becomes sees 2 x 2 pixels, with less
/// than half of the work.
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
