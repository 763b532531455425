//! Trainable convolution on the CPU, forward and backward: in bf16 by [`bf16`], in f32 by patch
//! matrices and one matrix product per group of images.

use candle_core::{CpuStorage, CustomOp3, Layout, Shape, Tensor};
use rayon::prelude::*;

use super::CandleConv;
use super::bf16::{self, Bf16};
use crate::Result;
use crate::nn::backend::ConvSpec;
use crate::nn::kernels::{ConvShape, Matrix, matmul};

/// Rows of the patch matrix per task: many enough to amortise packing the weights, few enough that
/// the lowest resolutions of a small batch (24 images of 4 x 4) have more than one task.
const ROWS_PER_TASK: usize = 256;

/// Number of partial weight gradients. It is fixed, so that their sum does not depend on the number
/// of threads.
const GRADIENT_PARTS: usize = 4;

/// The contiguous data of a CPU tensor's storage.
pub(super) fn slice<'a>(
    storage: &'a CpuStorage,
    layout: &Layout,
) -> candle_core::Result<&'a [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(data), Some((start, end))) => Ok(&data[start..end]),
        _ => candle_core::bail!("expected contiguous f32 data on the CPU"),
    }
}

/// Runs `work` on the contiguous data of a CPU tensor.
pub(super) fn with_data<R>(
    x: &Tensor,
    work: impl FnOnce(&[f32]) -> candle_core::Result<R>,
) -> candle_core::Result<R> {
    let x = x.contiguous()?;
    let (storage, layout) = x.storage_and_layout();
    match &*storage {
        candle_core::Storage::Cpu(storage) => work(slice(storage, layout)?),
        _ => candle_core::bail!("expected a CPU tensor"),
    }
}

/// Convolution, `(B, H, W, c_in) -> (B, H', W', c_out)`, with bf16 products if `bf16` is set.
pub(super) fn conv(x: &Tensor, conv: &CandleConv, bf16: Option<Bf16>) -> Result<Tensor> {
    let (b, h, w, _) = x.dims4()?;
    let op = Conv { batch: b, shape: ConvShape { spec: conv.spec, h, w }, bf16 };
    let bias = match &conv.bias {
        Some(bias) => bias.clone(),
        None => Tensor::zeros(conv.spec.c_out, candle_core::DType::F32, x.device())?,
    };
    Ok(x.contiguous()?.apply_op3(&conv.weight, &bias, op)?)
}

struct Conv {
    batch: usize,
    shape: ConvShape,
    bf16: Option<Bf16>,
}

/// The images of one task.
struct Group<'a> {
    x: &'a [f32],
    images: usize,
}

impl Conv {
    fn spec(&self) -> ConvSpec {
        self.shape.spec
    }

    fn images_per_task(&self) -> usize {
        ROWS_PER_TASK.div_ceil(self.shape.positions()).min(self.batch.max(1))
    }

    fn image_len(&self) -> usize {
        self.shape.h * self.shape.w * self.spec().c_in
    }

    /// The patch matrix of a group, in `scratch` unless it is the input itself.
    fn patches<'a>(&self, group: &Group<'a>, scratch: &'a mut Vec<f32>) -> &'a [f32] {
        if self.shape.spec.is_pointwise() {
            return group.x;
        }
        let len = self.shape.positions() * self.shape.patch();
        scratch.resize(group.images * len, 0.0);
        for (image, columns) in
            group.x.chunks_exact(self.image_len()).zip(scratch.chunks_exact_mut(len))
        {
            self.shape.im2col(image, columns);
        }
        scratch
    }

    fn forward(&self, x: &[f32], weight: &[f32], bias: &[f32]) -> Vec<f32> {
        let (positions, c_out, patch) =
            (self.shape.positions(), self.spec().c_out, self.shape.patch());
        let mut y = vec![0.0; self.batch * positions * c_out];
        let weight = Matrix::transposed(weight, patch);
        let n = self.images_per_task();
        y.par_chunks_mut(n * positions * c_out)
            .zip(x.par_chunks(n * self.image_len()))
            .for_each_init(Vec::new, |scratch, (y, x)| {
                let group = Group { x, images: x.len() / self.image_len() };
                let columns = self.patches(&group, scratch);
                y.chunks_exact_mut(c_out).for_each(|row| row.copy_from_slice(bias));
                let m = group.images * positions;
                matmul([m, c_out, patch], Matrix::rows(columns, patch), weight, y, c_out, true);
            });
        y
    }

    /// Gradient of the input.
    fn input_gradient(&self, dy: &[f32], weight: &[f32]) -> Vec<f32> {
        let (positions, c_out, patch) =
            (self.shape.positions(), self.spec().c_out, self.shape.patch());
        let mut dx = vec![0.0; self.batch * self.image_len()];
        let weight = Matrix::rows(weight, patch);
        let n = self.images_per_task();
        dx.par_chunks_mut(n * self.image_len())
            .zip(dy.par_chunks(n * positions * c_out))
            .for_each_init(Vec::new, |scratch: &mut Vec<f32>, (dx, dy)| {
                let rows = dy.len() / c_out;
                let dy = Matrix::rows(dy, c_out);
                if self.shape.spec.is_pointwise() {
                    return matmul([rows, patch, c_out], dy, weight, dx, patch, false);
                }
                scratch.resize(rows * patch, 0.0);
                matmul([rows, patch, c_out], dy, weight, scratch, patch, false);
                for (image, columns) in dx
                    .chunks_exact_mut(self.image_len())
                    .zip(scratch.chunks_exact(positions * patch))
                {
                    self.shape.col2im(columns, image);
                }
            });
        dx
    }

    /// Gradients of weight `[c_out, k, k, c_in]` and bias.
    fn weight_gradient(&self, x: &[f32], dy: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let (positions, c_out, patch) =
            (self.shape.positions(), self.spec().c_out, self.shape.patch());
        let part = self.batch.div_ceil(GRADIENT_PARTS);
        let parts: Vec<_> = x
            .par_chunks(part * self.image_len())
            .zip(dy.par_chunks(part * positions * c_out))
            .map(|(x, dy)| {
                let (mut dw, mut db, mut scratch) =
                    (vec![0.0; c_out * patch], vec![0.0; c_out], Vec::new());
                let n = self.images_per_task();
                for (x, dy) in x.chunks(n * self.image_len()).zip(dy.chunks(n * positions * c_out))
                {
                    let group = Group { x, images: x.len() / self.image_len() };
                    let columns = Matrix::rows(self.patches(&group, &mut scratch), patch);
                    let k = dy.len() / c_out;
                    matmul(
                        [c_out, patch, k],
                        Matrix::transposed(dy, c_out),
                        columns,
                        &mut dw,
                        patch,
                        true,
                    );
                    dy.chunks_exact(c_out).for_each(|row| add(&mut db, row));
                }
                (dw, db)
            })
            .collect();
        let mut parts = parts.into_iter();
        let (mut dw, mut db) =
            parts.next().unwrap_or_else(|| (vec![0.0; c_out * patch], vec![0.0; c_out]));
        for (w, b) in parts {
            add(&mut dw, &w);
            add(&mut db, &b);
        }
        (dw, db)
    }
}

fn add(to: &mut [f32], from: &[f32]) {
    to.iter_mut().zip(from).for_each(|(a, b)| *a += b);
}

impl CustomOp3 for Conv {
    fn name(&self) -> &'static str {
        "luthier-conv"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let (h, w) = self.shape.output();
        let (x, weight, bias) =
            (slice(x, x_layout)?, slice(weight, weight_layout)?, slice(bias, bias_layout)?);
        let y = match self.bf16 {
            Some(bf16) => bf16::forward(bf16, self.shape, x, weight, bias),
            None => self.forward(x, weight, bias),
        };
        Ok((CpuStorage::F32(y), (self.batch, h, w, self.spec().c_out).into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let device = x.device();
        with_data(dy, |dy| {
            let dx = match x.track_op() {
                true => Some(with_data(weight, |weight| {
                    Ok(match self.bf16 {
                        Some(bf16) => bf16::input_gradient(bf16, self.shape, dy, weight),
                        None => self.input_gradient(dy, weight),
                    })
                })?),
                false => None,
            };
            let dx = dx.map(|dx| Tensor::from_vec(dx, x.shape(), device)).transpose()?;
            if !weight.track_op() {
                return Ok((dx, None, None));
            }
            let (dw, db) = with_data(x, |x| {
                Ok(match self.bf16 {
                    Some(bf16) => bf16::weight_gradient(bf16, self.shape, x, dy),
                    None => self.weight_gradient(x, dy),
                })
            })?;
            let (dw, db) = (
                Tensor::from_vec(dw, weight.shape(), device)?,
                Tensor::from_vec(db, bias.shape(), device)?,
            );
            Ok((dx, Some(dw), Some(db)))
        })
    }
}
