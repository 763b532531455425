//! Trainable convolution on any device: candle's forward pass, with a backward pass composed of
//! forward convolutions.
//!
//! candle's input gradient is a slow kernel on CUDA, and its strided weight gradient fails for odd
//! remainders. The result of a detached forward pass is therefore attached to the graph by an
//! operation with its own gradient.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CudaStorage, CustomOp3, D, Layout, Shape, Tensor};

use super::CandleConv;
use crate::Result;

/// Convolution, `(B, H, W, c_in) -> (B, H', W', c_out)`.
pub(super) fn conv(x: &Tensor, conv: &CandleConv) -> Result<Tensor> {
    let spec = conv.spec;
    let y = if spec.kernel == 1 && spec.stride == 1 {
        let (b, h, w, c) = x.dims4()?;
        let flat = x.contiguous()?.reshape((b * h * w, c))?;
        flat.matmul(&conv.weight.reshape((spec.c_out, c))?.t()?)?.reshape((b, h, w, spec.c_out))?
    } else {
        let x = x.permute((0, 3, 1, 2))?.contiguous()?;
        let weight = conv.weight.permute((0, 3, 1, 2))?.contiguous()?;
        let op = Attach { padding: spec.kernel / 2, stride: spec.stride };
        let y = x.detach().conv2d(&weight.detach(), op.padding, op.stride, 1, 1)?;
        x.apply_op3(&weight, &y, op)?.permute((0, 2, 3, 1))?.contiguous()?
    };
    Ok(match &conv.bias {
        Some(bias) => y.broadcast_add(bias)?,
        None => y,
    })
}

/// Passes `y` on as the convolution of `x` and `weight` (all channels first).
struct Attach {
    padding: usize,
    stride: usize,
}

/// Inverse of a stride: inserts zeros between the values of `dy`, and crops or pads to the size of
/// a stride-1 convolution's output.
fn zero_insert(dy: &Tensor, stride: usize, full: (usize, usize)) -> candle_core::Result<Tensor> {
    if stride == 1 {
        return Ok(dy.clone());
    }
    let (b, c, h, w) = dy.dims4()?;
    let spread = dy.reshape((b, c, h, 1, w, 1))?.pad_with_zeros(3, 0, stride - 1)?.pad_with_zeros(
        D::Minus1,
        0,
        stride - 1,
    )?;
    let spread = spread.reshape((b, c, h * stride, w * stride))?;
    let grow = |size: usize, full: usize| full.saturating_sub(size);
    let spread = spread.pad_with_zeros(2, 0, grow(h * stride, full.0))?.pad_with_zeros(
        3,
        0,
        grow(w * stride, full.1),
    )?;
    spread.narrow(2, 0, full.0)?.narrow(3, 0, full.1)?.contiguous()
}

impl CustomOp3 for Attach {
    fn name(&self) -> &'static str {
        "luthier-attached-conv"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        y: &CpuStorage,
        layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        Ok((y.try_clone(layout)?, layout.shape().clone()))
    }

    fn cuda_fwd(
        &self,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
        y: &CudaStorage,
        layout: &Layout,
    ) -> candle_core::Result<(CudaStorage, Shape)> {
        Ok((y.try_clone(layout)?, layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        _: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (x, weight, dy) = (x.detach(), weight.detach(), dy.contiguous()?);
        let ((_, _, k, _), (_, _, h, w), p) = (weight.dims4()?, x.dims4()?, self.padding);
        let full = (h + 2 * p + 1 - k, w + 2 * p + 1 - k);
        let flipped = weight.flip(&[2, 3])?.transpose(0, 1)?.contiguous()?;
        let dx = zero_insert(&dy, self.stride, full)?.conv2d(&flipped, k - 1 - p, 1, 1, 1)?;
        let dw = x.transpose(0, 1)?.contiguous()?.conv2d(
            &dy.transpose(0, 1)?.contiguous()?,
            p,
            1,
            self.stride,
            1,
        )?;
        let dw = dw.transpose(0, 1)?.narrow(2, 0, k)?.narrow(3, 0, k)?.contiguous()?;
        Ok((Some(dx), Some(dw), None))
    }
}
