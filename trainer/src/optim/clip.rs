//! Global-norm gradient clipping (Pascanu et al. 2013), as torch's `clip_grad_norm_`.

use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, DType, Storage, Tensor};

use super::Parameters;

/// Number of values that are summed in f32 before the f64 total: few enough for precision, enough
/// for vector code.
const BLOCK: usize = 1024;

/// The L2 norm of all gradients as one vector. Variables without a gradient count as zero.
///
/// # Errors
/// If a gradient on the CPU is not f32.
pub fn global_norm(gradients: &GradStore, parameters: &Parameters) -> candle_core::Result<f64> {
    let mut squares = 0.0;
    let mut on_device = Vec::new();
    for gradient in parameters.iter().filter_map(|(_, var)| gradients.get(var)) {
        if gradient.device().is_cpu() {
            squares += squared_sum(&gradient.contiguous()?)?;
        } else {
            on_device.push(gradient.sqr()?.sum_all()?);
        }
    }
    if !on_device.is_empty() {
        // One transfer for all tensors, because each transfer waits for the device.
        let total = Tensor::stack(&on_device, 0)?.to_dtype(DType::F32)?.sum_all()?;
        squares += f64::from(total.to_scalar::<f32>()?);
    }
    Ok(squares.sqrt())
}

/// Factor that reduces gradients of this norm to `max_norm`, at most 1.
pub fn factor(norm: f64, max_norm: f64) -> f64 {
    // torch's epsilon, for equal results.
    (max_norm / (norm + 1e-6)).min(1.0)
}

fn squared_sum(tensor: &Tensor) -> candle_core::Result<f64> {
    let (storage, layout) = tensor.storage_and_layout();
    let (Storage::Cpu(CpuStorage::F32(values)), Some((start, end))) =
        (&*storage, layout.contiguous_offsets())
    else {
        candle_core::bail!("gradient norm: expected contiguous f32, found {:?}", tensor.dtype())
    };
    let blocks = values[start..end].chunks(BLOCK);
    Ok(blocks.map(|block| f64::from(block.iter().map(|x| x * x).sum::<f32>())).sum())
}
