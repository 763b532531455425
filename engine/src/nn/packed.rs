//! The packed CPU executor: playing. Weights are laid out once for the matrix product; nothing is recorded.

use std::sync::Arc;

use super::backend::{Backend, ConvSpec, GROUPS};
use super::kernels::{self, ConvShape, Matrix, matmul};
use crate::{Error, Result};

/// Named tensors in torch's shapes, wherever they come from.
pub trait TensorSource {
    /// Shape and row-major data of `name`.
    fn get(&self, name: &str) -> Option<(&[usize], &[f32])>;
}

/// Looks up a tensor and checks its shape.
pub(crate) fn fetch<'s>(source: &'s dyn TensorSource, name: &str, shape: &[usize]) -> Result<&'s [f32]> {
    let (found, data) =
        source.get(name).ok_or_else(|| Error::checkpoint(name, format!("a tensor {shape:?}"), "none"))?;
    if found != shape {
        return Err(Error::checkpoint(name, format!("shape {shape:?}"), format!("{found:?}")));
    }
    Ok(data)
}

/// `[c_out, c_in, k, k]` -> `[c_out, k, k, c_in]`, the order in which patches lie in memory.
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

/// An activation of [`Packed`].
#[derive(Clone, Debug)]
pub struct Activation {
    dims: [usize; 4],
    data: Arc<Vec<f32>>,
}

impl Activation {
    fn new(dims: [usize; 4], data: Vec<f32>) -> Self {
        debug_assert_eq!(dims.iter().product::<usize>(), data.len());
        Self { dims, data: Arc::new(data) }
    }

    /// Values of one batch element.
    fn stride(&self) -> usize {
        self.dims[1] * self.dims[2] * self.dims[3]
    }
}

/// A convolution with its weights as `[k * k * c_in, c_out]`.
#[derive(Debug)]
pub struct PackedConv {
    spec: ConvSpec,
    weight: Vec<f32>,
    bias: Option<Vec<f32>>,
}

/// Scale and shift of a group normalisation.
#[derive(Debug)]
pub struct PackedNorm {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

/// The executor; holds the patch matrix so that layers share it.
#[derive(Debug, Default)]
pub struct Packed {
    columns: Vec<f32>,
    scores: Vec<f32>,
}

/// Scale and shift per channel that normalise one image, with the layer's and the modulation's affine folded in.
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
        let rows = to_channels_last(stored, &spec);
        let patch = spec.kernel * spec.kernel * spec.c_in;
        let mut weight = vec![0.0; rows.len()];
        for (o, row) in rows.chunks_exact(patch).enumerate() {
            for (p, v) in row.iter().enumerate() {
                weight[p * spec.c_out + o] = *v;
            }
        }
        let bias = match spec.bias {
            true => Some(fetch(*source, &format!("{name}.bias"), &[spec.c_out])?.to_vec()),
            false => None,
        };
        Ok(PackedConv { spec, weight, bias })
    }

    fn load_norm(source: &mut Self::Source<'_>, name: &str, channels: usize) -> Result<PackedNorm> {
        let load = |part| fetch(*source, &format!("{name}.{part}"), &[channels]).map(<[f32]>::to_vec);
        Ok(PackedNorm { weight: load("weight")?, bias: load("bias")? })
    }

    fn tensor(&mut self, dims: [usize; 4], data: &[f32]) -> Result<Activation> {
        if dims.iter().product::<usize>() != data.len() {
            return Err(Error::Compute(format!("{} values do not fill {dims:?}", data.len())));
        }
        Ok(Activation::new(dims, data.to_vec()))
    }

    fn data(&mut self, x: &Activation) -> Result<Vec<f32>> {
        Ok(x.data.to_vec())
    }

    fn dims(&self, x: &Activation) -> [usize; 4] {
        x.dims
    }

    fn conv(&mut self, x: &Activation, conv: &PackedConv) -> Result<Activation> {
        let [b, h, w, c] = x.dims;
        if c != conv.spec.c_in {
            return Err(Error::Compute(format!("a layer of {} channels was given {c}", conv.spec.c_in)));
        }
        let shape = ConvShape { spec: conv.spec, h, w };
        let (c_out, patch, rows) = (conv.spec.c_out, shape.patch(), b * shape.positions());
        let mut y = vec![0.0; rows * c_out];
        if let Some(bias) = &conv.bias {
            y.chunks_exact_mut(c_out).for_each(|row| row.copy_from_slice(bias));
        }
        let columns = if shape.is_pointwise() {
            &x.data[..]
        } else {
            self.columns.resize(rows * patch, 0.0);
            let images = x.data.chunks_exact(x.stride());
            for (image, columns) in images.zip(self.columns.chunks_exact_mut(shape.positions() * patch)) {
                shape.im2col(image, columns);
            }
            &self.columns[..]
        };
        matmul(
            [rows, c_out, patch],
            Matrix::rows(columns, patch),
            Matrix::rows(&conv.weight, c_out),
            &mut y,
            c_out,
            conv.bias.is_some(),
        );
        let (oh, ow) = shape.output();
        Ok(Activation::new([b, oh, ow, c_out], y))
    }

    fn norm(
        &mut self,
        x: &Activation,
        norm: &PackedNorm,
        modulation: Option<&Activation>,
        silu: bool,
    ) -> Result<Activation> {
        let (c, mut y) = (x.dims[3], x.data.to_vec());
        for (i, image) in y.chunks_exact_mut(x.stride()).enumerate() {
            let modulation = modulation.map(|m| &m.data[(i % m.dims[0]) * 2 * c..][..2 * c]);
            let (scale, shift) = fold_affine(image, norm, modulation);
            for row in image.chunks_exact_mut(c) {
                for ((v, a), b) in row.iter_mut().zip(&scale).zip(&shift) {
                    let t = *v * a + b;
                    *v = if silu { kernels::silu(t) } else { t };
                }
            }
        }
        Ok(Activation::new(x.dims, y))
    }

    fn silu(&mut self, x: &Activation) -> Result<Activation> {
        Ok(Activation::new(x.dims, x.data.iter().map(|&v| kernels::silu(v)).collect()))
    }

    fn add(&mut self, a: &Activation, b: &Activation) -> Result<Activation> {
        if a.dims == b.dims {
            let sum = a.data.iter().zip(b.data.iter()).map(|(a, b)| a + b).collect();
            return Ok(Activation::new(a.dims, sum));
        }
        let ([n, h, w, c], [bn, bh, bw, _]) = (a.dims, b.dims);
        if b.dims[3] != c || [(n, bn), (h, bh), (w, bw)].iter().any(|&(a, b)| b != a && b != 1) {
            return Err(Error::Compute(format!("{:?} cannot be added to {:?}", b.dims, a.dims)));
        }
        let mut sum = a.data.to_vec();
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
            return Err(Error::Compute(format!("{:?} cannot be joined to {:?}", odd.dims, parts[0].dims)));
        }
        let channels = parts.iter().map(|p| p.dims[3]).sum();
        let mut data = Vec::with_capacity(batch * h * w * channels);
        for position in 0..batch * h * w {
            for part in parts {
                let c = part.dims[3];
                data.extend_from_slice(&part.data[position % (part.dims[0] * h * w) * c..][..c]);
            }
        }
        Ok(Activation::new([batch, h, w, channels], data))
    }

    fn upsample2(&mut self, x: &Activation) -> Result<Activation> {
        let [b, h, w, c] = x.dims;
        let mut data = Vec::with_capacity(x.data.len() * 4);
        for row in x.data.chunks_exact(w * c) {
            let start = data.len();
            for pixel in row.chunks_exact(c) {
                data.extend_from_slice(pixel);
                data.extend_from_slice(pixel);
            }
            data.extend_from_within(start..);
        }
        Ok(Activation::new([b, 2 * h, 2 * w, c], data))
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
        let (mut out, query_scale) = (vec![0.0; q.data.len()], 1.0 / (d as f32).sqrt());
        let scaled: Vec<f32> = q.data.iter().map(|v| v * query_scale).collect();
        self.scores.resize(positions * tokens, 0.0);
        for i in 0..b {
            let source = (i % kb) * tokens * c;
            for head in 0..heads {
                let at = i * positions * c + head * d;
                let query = Matrix { data: &scaled[at..], row_stride: c, col_stride: 1 };
                let keys = Matrix { data: &k.data[source + head * d..], row_stride: 1, col_stride: c };
                let values = Matrix { data: &v.data[source + head * d..], row_stride: c, col_stride: 1 };
                matmul([positions, tokens, d], query, keys, &mut self.scores, tokens, false);
                kernels::softmax_rows(&mut self.scores, tokens);
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
        let ([b, h, w, c], mut data) = (x.dims, Vec::new());
        for image in x.data.chunks_exact(x.stride()) {
            let mut sum = vec![0.0; c];
            for row in image.chunks_exact(c) {
                sum.iter_mut().zip(row).for_each(|(s, v)| *s += v);
            }
            data.extend(sum.iter().map(|s| s / (h * w) as f32));
        }
        Ok(Activation::new([b, 1, 1, c], data))
    }

    fn tokens(&mut self, parts: &[&Activation]) -> Result<Activation> {
        let (b, c) = (parts[0].dims[0], parts[0].dims[3]);
        if let Some(odd) = parts.iter().find(|p| p.dims[0] != b || p.dims[3] != c) {
            return Err(Error::Compute(format!("tokens of {:?} cannot join {:?}", odd.dims, parts[0].dims)));
        }
        let mut data = Vec::with_capacity(parts.iter().map(|p| p.data.len()).sum());
        for i in 0..b {
            for part in parts {
                data.extend_from_slice(&part.data[i * part.stride()..][..part.stride()]);
            }
        }
        let count = data.len() / (b * c);
        Ok(Activation::new([b, 1, count, c], data))
    }

    fn space_to_depth(&mut self, x: &Activation, r: usize) -> Result<Activation> {
        let [b, h, w, c] = x.dims;
        let dims = [b, h / r, w / r, c * r * r];
        let mut data = vec![0.0; x.data.len()];
        for_each_shuffle(dims, r, |deep, flat| data[deep] = x.data[flat]);
        Ok(Activation::new(dims, data))
    }

    fn depth_to_space(&mut self, x: &Activation, r: usize) -> Result<Activation> {
        let [b, h, w, c] = x.dims;
        let mut data = vec![0.0; x.data.len()];
        for_each_shuffle(x.dims, r, |deep, flat| data[flat] = x.data[deep]);
        Ok(Activation::new([b, h * r, w * r, c / (r * r)], data))
    }
}

/// Pairs every offset of a deep `(B, H, W, C r r)` tensor with its offset in the flat `(B, H r, W r, C)` one.
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
