//! The packed CPU executor for inference. Weights are packed once for the matrix product, and no
//! gradients are recorded; see `docs/decisions/006-own-cpu-executor.md`.
//!
//! ```
//! use engine::nn::packed::{Packed, TensorSource};
//! use engine::nn::{Backend, ConvSpec};
//!
//! struct Doubling;
//!
//! impl TensorSource for Doubling {
//!     fn get(&self, name: &str) -> Option<(&[usize], &[f32])> {
//!         (name == "double.weight").then_some((&[1, 1][..], &[2.0][..]))
//!     }
//! }
//!
//! let mut source: &dyn TensorSource = &Doubling;
//! let layer = Packed::load_conv(&mut source, "double", ConvSpec::linear(1, 1).no_bias())?;
//! let mut ops = Packed::default();
//! let x = ops.tensor([1, 1, 2, 1], &[1.0, -3.0])?;
//! let y = ops.conv(&x, &layer)?;
//! assert_eq!(ops.data(&y)?, [2.0, -6.0]);
//! # Ok::<(), engine::Error>(())
//! ```

mod buffers;
mod conv;
mod panels;
mod winograd;

use buffers::Buffers;
use conv::ConvScratch;

use super::backend::{Backend, ConvSpec, GROUPS};
use super::kernels::{self, Matrix, matmul};
use crate::{Error, Result};
pub use buffers::Activation;
pub use conv::PackedConv;

/// A source of named tensors in torch's shapes.
pub trait TensorSource {
    /// Shape and row-major data of `name`.
    fn get(&self, name: &str) -> Option<(&[usize], &[f32])>;
}

/// Looks up a tensor and checks its shape.
pub(crate) fn fetch<'s>(
    source: &'s dyn TensorSource,
    name: &str,
    shape: &[usize],
) -> Result<&'s [f32]> {
    let (found, data) = source
        .get(name)
        .ok_or_else(|| Error::checkpoint(name, format!("a tensor {shape:?}"), "none"))?;
    if found != shape {
        return Err(Error::checkpoint(name, format!("shape {shape:?}"), format!("{found:?}")));
    }
    Ok(data)
}

/// `[c_out, c_in, k, k]` -> `[c_out, k, k, c_in]`, the memory order of patches.
pub(crate) fn to_channels_last(weight: &[f32], spec: &ConvSpec) -> Vec<f32> {
    let (ci, kk) = (spec.c_in, spec.kernel * spec.kernel);
    let mut out = vec![0.0; weight.len()];
    for o in 0..spec.c_out {
        for c in 0..ci {
            for q in 0..kk {
                out[(o * kk + q) * ci + c] = weight[(o * ci + c) * kk + q];
            }
        }
    }
    out
}

/// Scale and shift of a group normalisation.
#[derive(Debug)]
pub struct PackedNorm {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

/// The executor, with the scratch memory that layers share.
#[derive(Debug, Default)]
pub struct Packed {
    buffers: Buffers,
    scratch: ConvScratch,
    scores: Vec<f32>,
}

/// Scale and shift per channel that combine the normalisation of one image, the layer's affine and
/// the modulation.
fn fold_affine(x: &[f32], norm: &PackedNorm, modulation: Option<&[f32]>) -> (Vec<f32>, Vec<f32>) {
    let channels = norm.weight.len();
    let (statistics, width) = (kernels::group_statistics(x, channels), channels / GROUPS);
    let (mut scale, mut shift) = (vec![0.0; channels], vec![0.0; channels]);
    for i in 0..channels {
        let (mean, rstd) = statistics[i / width];
        let a = rstd * norm.weight[i];
        let b = norm.bias[i] - mean * a;
        let (m, s) = modulation.map_or((1.0, 0.0), |m| (1.0 + m[i], m[channels + i]));
        scale[i] = a * m;
        shift[i] = b * m + s;
    }
    (scale, shift)
}

impl Backend for Packed {
    type Tensor = Activation;
    type Conv = PackedConv;
    type Norm = PackedNorm;
    type Source<'s> = &'s dyn TensorSource;

    fn load_conv(source: &mut Self::Source<'_>, name: &str, spec: ConvSpec) -> Result<PackedConv> {
        let stored = fetch(*source, &format!("{name}.weight"), &spec.weight_shape())?;
        let bias = match spec.bias {
            true => Some(fetch(*source, &format!("{name}.bias"), &[spec.c_out])?.to_vec()),
            false => None,
        };
        Ok(PackedConv::new(spec, stored, bias))
    }

    fn load_norm(source: &mut Self::Source<'_>, name: &str, channels: usize) -> Result<PackedNorm> {
        let load =
            |part| fetch(*source, &format!("{name}.{part}"), &[channels]).map(<[f32]>::to_vec);
        Ok(PackedNorm { weight: load("weight")?, bias: load("bias")? })
    }

    fn tensor(&mut self, dims: [usize; 4], data: &[f32]) -> Result<Activation> {
        if dims.iter().product::<usize>() != data.len() {
            let message = format!("expected the values of shape {dims:?}, found {}", data.len());
            return Err(Error::Compute(message));
        }
        let mut x = self.buffers.take(data.len());
        x.copy_from_slice(data);
        Ok(Activation::new(dims, x))
    }

    fn data(&mut self, x: &Activation) -> Result<Vec<f32>> {
        Ok(x.data.to_vec())
    }

    fn dims(&self, x: &Activation) -> [usize; 4] {
        x.dims
    }

    fn conv(&mut self, x: &Activation, conv: &PackedConv) -> Result<Activation> {
        conv.forward(x, None, &self.buffers, &mut self.scratch)
    }

    fn conv_onto(
        &mut self,
        onto: &Activation,
        x: &Activation,
        conv: &PackedConv,
    ) -> Result<Activation> {
        conv.forward(x, Some(onto), &self.buffers, &mut self.scratch)
    }

    fn norm(
        &mut self,
        x: &Activation,
        norm: &PackedNorm,
        modulation: Option<&Activation>,
        silu: bool,
    ) -> Result<Activation> {
        let (c, mut y) = (x.dims[3], self.buffers.take(x.data.len()));
        let images = x.data.chunks_exact(x.stride()).zip(y.chunks_exact_mut(x.stride()));
        for (i, (image, y)) in images.enumerate() {
            let modulation = modulation.map(|m| &m.data[(i % m.dims[0]) * 2 * c..][..2 * c]);
            let (scale, shift) = fold_affine(image, norm, modulation);
            kernels::affine(image, &scale, &shift, silu, y);
        }
        Ok(Activation::new(x.dims, y))
    }

    fn silu(&mut self, x: &Activation) -> Result<Activation> {
        let mut y = self.buffers.take(x.data.len());
        y.iter_mut().zip(x.data.iter()).for_each(|(y, &v)| *y = kernels::silu(v));
        Ok(Activation::new(x.dims, y))
    }

    fn add(&mut self, a: &Activation, b: &Activation) -> Result<Activation> {
        let mut sum = self.buffers.take(a.data.len());
        if a.dims == b.dims {
            sum.iter_mut()
                .zip(a.data.iter())
                .zip(b.data.iter())
                .for_each(|((sum, a), b)| *sum = a + b);
            return Ok(Activation::new(a.dims, sum));
        }
        let ([n, h, w, c], [bn, bh, bw, _]) = (a.dims, b.dims);
        if b.dims[3] != c || [(n, bn), (h, bh), (w, bw)].iter().any(|&(a, b)| b != a && b != 1) {
            let message = format!("expected a summand for shape {:?}, found {:?}", a.dims, b.dims);
            return Err(Error::Compute(message));
        }
        sum.copy_from_slice(&a.data);
        for (p, row) in sum.chunks_exact_mut(c).enumerate() {
            let (i, y, x) = (p / (h * w) % bn, p / w % h % bh, p % w % bw);
            for (a, b) in row.iter_mut().zip(&b.data[((i * bh + y) * bw + x) * c..][..c]) {
                *a += b;
            }
        }
        Ok(Activation::new(a.dims, sum))
    }

    fn concat(&mut self, parts: &[&Activation]) -> Result<Activation> {
        let batch = parts.iter().map(|p| p.dims[0]).max().unwrap_or(0);
        let [_, h, w, _] = parts[0].dims;
        if let Some(odd) =
            parts.iter().find(|p| p.dims[1..3] != [h, w] || (p.dims[0] != batch && p.dims[0] != 1))
        {
            return Err(Error::Compute(format!(
                "expected channels for shape {:?}, found shape {:?}",
                parts[0].dims, odd.dims
            )));
        }
        let channels = parts.iter().map(|p| p.dims[3]).sum();
        let mut y = self.buffers.take(batch * h * w * channels);
        let mut first = 0;
        for part in parts {
            let c = part.dims[3];
            let pixels = part.data.chunks_exact(c).cycle();
            y.chunks_exact_mut(channels)
                .zip(pixels)
                .for_each(|(y, x)| y[first..][..c].copy_from_slice(x));
            first += c;
        }
        Ok(Activation::new([batch, h, w, channels], y))
    }

    fn attention(
        &mut self,
        q: &Activation,
        k: &Activation,
        v: &Activation,
        heads: usize,
    ) -> Result<Activation> {
        let ([b, h, w, c], [kb, _, tokens, _]) = (q.dims, k.dims);
        let (positions, d) = (h * w, c / heads);
        let (mut out, scale) = (self.buffers.take(q.data.len()), 1.0 / (d as f32).sqrt());
        self.scores.resize(positions * tokens, 0.0);
        for i in 0..b {
            let source = (i % kb) * tokens * c;
            for head in 0..heads {
                let at = i * positions * c + head * d;
                let query = Matrix { data: &q.data[at..], row_stride: c, col_stride: 1 };
                let keys =
                    Matrix { data: &k.data[source + head * d..], row_stride: 1, col_stride: c };
                let values =
                    Matrix { data: &v.data[source + head * d..], row_stride: c, col_stride: 1 };
                matmul([positions, tokens, d], query, keys, &mut self.scores, tokens, false);
                kernels::softmax_rows(&mut self.scores, tokens, scale);
                matmul(
                    [positions, d, tokens],
                    Matrix::rows(&self.scores, tokens),
                    values,
                    &mut out[at..],
                    c,
                    false,
                );
            }
        }
        Ok(Activation::new(q.dims, out))
    }

    fn mean(&mut self, x: &Activation) -> Result<Activation> {
        let [b, h, w, c] = x.dims;
        let mut means = self.buffers.take(b * c);
        means.fill(0.0);
        for (image, mean) in x.data.chunks_exact(x.stride()).zip(means.chunks_exact_mut(c)) {
            for row in image.chunks_exact(c) {
                mean.iter_mut().zip(row).for_each(|(sum, v)| *sum += v);
            }
            mean.iter_mut().for_each(|sum| *sum /= (h * w) as f32);
        }
        Ok(Activation::new([b, 1, 1, c], means))
    }

    fn tokens(&mut self, parts: &[&Activation]) -> Result<Activation> {
        let (b, c) = (parts[0].dims[0], parts[0].dims[3]);
        if let Some(odd) = parts.iter().find(|p| p.dims[0] != b || p.dims[3] != c) {
            return Err(Error::Compute(format!(
                "expected tokens like those of shape {:?}, found shape {:?}",
                parts[0].dims, odd.dims
            )));
        }
        let mut joined = self.buffers.take(parts.iter().map(|p| p.data.len()).sum());
        let mut rest = &mut joined[..];
        for i in 0..b {
            for part in parts {
                let (to, after) = rest.split_at_mut(part.stride());
                to.copy_from_slice(&part.data[i * part.stride()..][..part.stride()]);
                rest = after;
            }
        }
        let count = joined.len() / (b * c);
        Ok(Activation::new([b, 1, count, c], joined))
    }

    fn space_to_depth(&mut self, x: &Activation, r: usize) -> Result<Activation> {
        let [b, h, w, c] = x.dims;
        let dims = [b, h / r, w / r, c * r * r];
        let mut data = self.buffers.take(x.data.len());
        for_each_shuffle(dims, r, |deep, flat| data[deep] = x.data[flat]);
        Ok(Activation::new(dims, data))
    }

    fn depth_to_space(&mut self, x: &Activation, r: usize) -> Result<Activation> {
        let [b, h, w, c] = x.dims;
        let mut data = self.buffers.take(x.data.len());
        for_each_shuffle(x.dims, r, |deep, flat| data[flat] = x.data[deep]);
        Ok(Activation::new([b, h * r, w * r, c / (r * r)], data))
    }
}

/// Visits every offset of a `(B, H, W, C r r)` tensor with its offset in the `(B, H r, W r, C)`
/// tensor.
fn for_each_shuffle([b, h, w, c]: [usize; 4], r: usize, mut visit: impl FnMut(usize, usize)) {
    let flat_c = c / (r * r);
    let mut deep = 0;
    for y in 0..b * h {
        for x in 0..w {
            for channel in 0..flat_c {
                for dy in 0..r {
                    for dx in 0..r {
                        visit(deep, ((y * r + dy) * w * r + x * r + dx) * flat_c + channel);
                        deep += 1;
                    }
                }
            }
        }
    }
}
