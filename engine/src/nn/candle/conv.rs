//! Trainable convolution on the CPU, forward and backward, as one operation of candle's graph.

use std::fmt::Debug;
use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp3, Layout, Shape, Tensor};

use super::CandleConv;
use crate::Result;
use crate::nn::kernels::ConvShape;

/// Computes a convolution and its gradients on the CPU.
///
/// All values are contiguous: `x (B, H, W, c_in)`, `y` and its gradient `dy (B, H', W', c_out)`,
/// `weight [c_out, k, k, c_in]`, `bias [c_out]`. Gradients have the layout of their values.
pub trait ConvKernel: Debug + Send + Sync {
    /// The output `y`.
    fn forward(&self, shape: ConvShape, x: &[f32], weight: &[f32], bias: &[f32]) -> Vec<f32>;
    /// The gradient of `x`.
    fn input_gradient(&self, shape: ConvShape, dy: &[f32], weight: &[f32]) -> Vec<f32>;
    /// The gradients of `weight` and of `bias`.
    fn weight_gradient(&self, shape: ConvShape, x: &[f32], dy: &[f32]) -> (Vec<f32>, Vec<f32>);
}

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

/// Convolution, `(B, H, W, c_in) -> (B, H', W', c_out)`, computed by `kernel`.
pub(super) fn conv(x: &Tensor, conv: &CandleConv, kernel: &Arc<dyn ConvKernel>) -> Result<Tensor> {
    let (b, h, w, _) = x.dims4()?;
    let shape = ConvShape { spec: conv.spec, h, w };
    let op = Conv { batch: b, shape, kernel: Arc::clone(kernel) };
    let bias = match &conv.bias {
        Some(bias) => bias.clone(),
        None => Tensor::zeros(conv.spec.c_out, candle_core::DType::F32, x.device())?,
    };
    Ok(x.contiguous()?.apply_op3(&conv.weight, &bias, op)?)
}

struct Conv {
    batch: usize,
    shape: ConvShape,
    kernel: Arc<dyn ConvKernel>,
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
        let y = self.kernel.forward(self.shape, x, weight, bias);
        Ok((CpuStorage::F32(y), (self.batch, h, w, self.shape.spec.c_out).into()))
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
                    Ok(self.kernel.input_gradient(self.shape, dy, weight))
                })?),
                false => None,
            };
            let dx = dx.map(|dx| Tensor::from_vec(dx, x.shape(), device)).transpose()?;
            if !weight.track_op() {
                return Ok((dx, None, None));
            }
            let (dw, db) = with_data(x, |x| Ok(self.kernel.weight_gradient(self.shape, x, dy)))?;
            let (dw, db) = (
                Tensor::from_vec(dw, weight.shape(), device)?,
                Tensor::from_vec(db, bias.shape(), device)?,
            );
            Ok((dx, Some(dw), Some(db)))
        })
    }
}
