//! Updates a variable's memory on the CPU in one pass, without temporary tensors.

use std::cell::Cell;

use candle_core::{CpuStorage, InplaceOp2, Layout, Tensor, Var};

/// Runs `pass` over the data of a variable and of `source`, both contiguous f32 on the CPU.
///
/// # Errors
/// If one is not contiguous f32 on the CPU.
pub fn in_place(
    var: &Var,
    source: &Tensor,
    pass: impl FnOnce(&mut [f32], &[f32]),
) -> candle_core::Result<()> {
    var.inplace_op2(source, &Pass(Cell::new(Some(pass))))
}

/// The operation for candle. candle only has a shared reference to it, so the closure is in a cell.
struct Pass<F>(Cell<Option<F>>);

impl<F: FnOnce(&mut [f32], &[f32])> InplaceOp2 for Pass<F> {
    fn name(&self) -> &'static str {
        "in-place pass"
    }

    fn cpu_fwd(
        &self,
        values: &mut CpuStorage,
        values_layout: &Layout,
        source: &CpuStorage,
        source_layout: &Layout,
    ) -> candle_core::Result<()> {
        let (CpuStorage::F32(values), CpuStorage::F32(source)) = (values, source) else {
            candle_core::bail!("expected f32 variables")
        };
        let (Some((start, end)), Some((from, to))) =
            (values_layout.contiguous_offsets(), source_layout.contiguous_offsets())
        else {
            candle_core::bail!("expected contiguous variables")
        };
        if let Some(pass) = self.0.take() {
            pass(&mut values[start..end], &source[from..to]);
        }
        Ok(())
    }
}
