//! The candle executor: training on the CPU and CUDA, and inference on CUDA.
//!
//! On the CPU, `conv`, `norm` and `rearrange` replace candle's operations. candle's convolution is
//! slow there, and several of its backward passes are wrong or missing. Other devices use candle's
//! operations. Their convolution has a backward pass that is composed of forward convolutions. See
//! `docs/decisions/007-pinned-candle.md`.
//!
//! ```
//! use candle_core::Device;
//! use engine::nn::candle::{Candle, ParamStore};
//! use engine::nn::{Backend, ConvSpec};
//!
//! let mut store = ParamStore::new(&Device::Cpu, 7);
//! let layer = Candle::load_conv(&mut &mut store, "layer", ConvSpec::linear(2, 3))?;
//!
//! let mut ops = Candle::new(Device::Cpu);
//! let x = ops.tensor([1, 1, 4, 2], &[0.5; 8])?;
//! let y = ops.conv(&x, &layer)?;
//! assert_eq!(ops.dims(&y), [1, 1, 4, 3]);
//! assert_eq!(store.variables().len(), 2, "weight and bias");
//! # Ok::<(), engine::Error>(())
//! ```

mod attached_conv;
mod conv;
mod norm;
mod params;
mod patches;
mod rearrange;

use std::sync::Arc;

use candle_core::{D, Device, Tensor};

use super::backend::{Backend, ConvSpec, GROUPS, NORM_EPS};
use crate::{Error, Result};
pub use conv::ConvKernel;
pub use params::{NamedTensors, ParamStore};
pub use patches::F32Conv;

/// The executor.
#[derive(Clone, Debug)]
pub struct Candle {
    device: Device,
    /// Kernel of the CPU convolutions; none if all operations are candle's.
    own: Option<Arc<dyn ConvKernel>>,
}

impl Candle {
    /// An executor on `device`.
    pub fn new(device: Device) -> Self {
        let own = device.is_cpu().then(|| Arc::new(F32Conv) as Arc<dyn ConvKernel>);
        Self { own, device }
    }

    /// The same executor with another kernel for convolutions and linear layers, forward and
    /// backward.
    /// Only an executor on the CPU uses it.
    pub fn with_kernel(self, kernel: impl ConvKernel + 'static) -> Self {
        let own = self.own.map(|_| Arc::new(kernel) as Arc<dyn ConvKernel>);
        Self { own, ..self }
    }

    /// An executor with candle's operations only, for comparisons.
    pub fn stock(device: Device) -> Self {
        Self { own: None, device }
    }

    /// The device of its tensors.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Nearest-neighbour upsampling by two along both axes.
    fn upsample2(&self, x: &Tensor) -> Result<Tensor> {
        if self.own.is_some() {
            return rearrange::upsample2(x);
        }
        // candle's upsample_nearest2d overwrites gradients. Reshape and broadcast instead.
        let [b, h, w, c] = dims(x)?;
        let wide = x.reshape((b, h, 1, w, 1, c))?.broadcast_as((b, h, 2, w, 2, c))?;
        Ok(wide.contiguous()?.reshape((b, 2 * h, 2 * w, c))?)
    }
}

/// A convolution's weights: `[c_out, k, k, c_in]` and `[c_out]`.
#[derive(Clone, Debug)]
pub struct CandleConv {
    /// The convolution without upsampling, which is a separate operation.
    spec: ConvSpec,
    upsampled: bool,
    weight: Tensor,
    bias: Option<Tensor>,
}

/// A group normalisation's weights, both `[C]`.
#[derive(Clone, Debug)]
pub struct CandleNorm {
    weight: Tensor,
    bias: Tensor,
}

/// `(B, H, W, C)` of a tensor of this executor.
fn dims(x: &Tensor) -> Result<[usize; 4]> {
    let (b, h, w, c) = x.dims4()?;
    Ok([b, h, w, c])
}

/// Broadcasts a batch of one.
fn expand_batch(x: &Tensor, batch: usize) -> Result<Tensor> {
    let [b, h, w, c] = dims(x)?;
    if b == batch { Ok(x.clone()) } else { Ok(x.broadcast_as((batch, h, w, c))?.contiguous()?) }
}

/// `(B, N, heads * d) -> (B, heads, N, d)`.
fn split_heads(x: &Tensor, heads: usize) -> Result<Tensor> {
    let [b, h, w, c] = dims(x)?;
    Ok(x.reshape((b, h * w, heads, c / heads))?.transpose(1, 2)?.contiguous()?)
}

/// GroupNorm, affine and SiLU composed of candle's operations. `scale` and `shift` are `(B or 1,
/// C)`.
fn composed_norm(x: &Tensor, scale: &Tensor, shift: &Tensor, silu: bool) -> Result<Tensor> {
    let [b, h, w, c] = dims(x)?;
    let groups = x.reshape((b, h * w, GROUPS, c / GROUPS))?;
    let centred = groups.broadcast_sub(&groups.mean_keepdim(D::Minus1)?.mean_keepdim(1)?)?;
    let variance = centred.sqr()?.mean_keepdim(D::Minus1)?.mean_keepdim(1)?;
    let unit =
        centred.broadcast_div(&(variance + NORM_EPS as f64)?.sqrt()?)?.reshape((b, h * w, c))?;
    let y = unit.broadcast_mul(&scale.unsqueeze(1)?)?.broadcast_add(&shift.unsqueeze(1)?)?;
    Ok(if silu { y.silu()? } else { y }.reshape((b, h, w, c))?)
}

impl Backend for Candle {
    type Tensor = Tensor;
    type Conv = CandleConv;
    type Norm = CandleNorm;
    type Source<'s> = &'s mut ParamStore;

    fn load_conv(source: &mut Self::Source<'_>, name: &str, spec: ConvSpec) -> Result<CandleConv> {
        let (weight, bias) = source.conv(name, spec)?;
        Ok(CandleConv {
            spec: ConvSpec { upsampled: false, ..spec },
            upsampled: spec.upsampled,
            weight,
            bias,
        })
    }

    fn load_norm(source: &mut Self::Source<'_>, name: &str, channels: usize) -> Result<CandleNorm> {
        let (weight, bias) = source.norm(name, channels)?;
        Ok(CandleNorm { weight, bias })
    }

    fn tensor(&mut self, dims: [usize; 4], data: &[f32]) -> Result<Tensor> {
        Ok(Tensor::from_slice(data, &dims, &self.device)?)
    }

    fn data(&mut self, x: &Tensor) -> Result<Vec<f32>> {
        Ok(x.flatten_all()?.to_vec1()?)
    }

    fn dims(&self, x: &Tensor) -> [usize; 4] {
        dims(x).expect("tensors of this executor have four dimensions")
    }

    fn conv(&mut self, x: &Tensor, conv: &CandleConv) -> Result<Tensor> {
        let found = dims(x)?[3];
        if found != conv.spec.c_in {
            return Err(Error::Compute(format!(
                "expected {} input channels, found {found}",
                conv.spec.c_in
            )));
        }
        let wide = if conv.upsampled { Some(self.upsample2(x)?) } else { None };
        let x = wide.as_ref().unwrap_or(x);
        match &self.own {
            Some(kernel) => conv::conv(x, conv, kernel),
            None => attached_conv::conv(x, conv),
        }
    }

    fn norm(
        &mut self,
        x: &Tensor,
        norm: &CandleNorm,
        modulation: Option<&Tensor>,
        silu: bool,
    ) -> Result<Tensor> {
        let c = dims(x)?[3];
        let (mut scale, mut shift) = (norm.weight.reshape((1, c))?, norm.bias.reshape((1, c))?);
        if let Some(modulation) = modulation {
            let both = modulation.reshape(((), 2 * c))?;
            let (m, s) = ((both.narrow(1, 0, c)? + 1.0)?, both.narrow(1, c, c)?);
            shift = shift.broadcast_mul(&m)?.add(&s)?;
            scale = scale.broadcast_mul(&m)?;
        }
        if self.own.is_some() {
            norm::norm(x, &scale, &shift, silu)
        } else {
            composed_norm(x, &scale, &shift, silu)
        }
    }

    fn silu(&mut self, x: &Tensor) -> Result<Tensor> {
        Ok(x.silu()?)
    }

    fn add(&mut self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        Ok(if a.shape() == b.shape() { a.add(b)? } else { a.broadcast_add(b)? })
    }

    fn concat(&mut self, parts: &[&Tensor]) -> Result<Tensor> {
        let batch = parts
            .iter()
            .map(|p| p.dim(0))
            .collect::<candle_core::Result<Vec<_>>>()?
            .into_iter()
            .max()
            .unwrap_or(0);
        let parts = parts.iter().map(|p| expand_batch(p, batch)).collect::<Result<Vec<_>>>()?;
        match self.own {
            Some(_) => rearrange::concat(&parts),
            None => Ok(Tensor::cat(&parts, 3)?.contiguous()?),
        }
    }

    fn attention(&mut self, q: &Tensor, k: &Tensor, v: &Tensor, heads: usize) -> Result<Tensor> {
        let [b, h, w, c] = dims(q)?;
        let scale = 1.0 / ((c / heads) as f64).sqrt();
        let (k, v) = (expand_batch(k, b)?, expand_batch(v, b)?);
        let (q, k, v) =
            (split_heads(&(q * scale)?, heads)?, split_heads(&k, heads)?, split_heads(&v, heads)?);
        let scores = q.matmul(&k.t()?)?;
        // candle_nn's softmax cuts the gradient. Composed here, with the maximum as a constant.
        let exponentials = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?.detach())?.exp()?;
        let weights = exponentials.broadcast_div(&exponentials.sum_keepdim(D::Minus1)?)?;
        Ok(weights.matmul(&v)?.transpose(1, 2)?.contiguous()?.reshape((b, h, w, c))?)
    }

    fn mean(&mut self, x: &Tensor) -> Result<Tensor> {
        let [b, h, w, c] = dims(x)?;
        Ok(x.reshape((b, h * w, c))?.mean(1)?.reshape((b, 1, 1, c))?)
    }

    fn tokens(&mut self, parts: &[&Tensor]) -> Result<Tensor> {
        let flat = parts
            .iter()
            .map(|p| {
                let [b, h, w, c] = dims(p)?;
                Ok(p.reshape((b, 1, h * w, c))?)
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Tensor::cat(&flat, 2)?.contiguous()?)
    }

    fn space_to_depth(&mut self, x: &Tensor, r: usize) -> Result<Tensor> {
        let [b, h, w, c] = dims(x)?;
        let blocks = x.reshape(&[b, h / r, r, w / r, r, c][..])?.permute([0, 1, 3, 5, 2, 4])?;
        Ok(blocks.contiguous()?.reshape((b, h / r, w / r, c * r * r))?)
    }

    fn depth_to_space(&mut self, x: &Tensor, r: usize) -> Result<Tensor> {
        let [b, h, w, c] = dims(x)?;
        let flat = c / (r * r);
        let blocks = x.reshape(&[b, h, w, flat, r, r][..])?.permute([0, 1, 4, 2, 5, 3])?;
        Ok(blocks.contiguous()?.reshape((b, h * r, w * r, flat))?)
    }
}
