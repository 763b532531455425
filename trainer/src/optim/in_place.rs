//! One pass over a variable's memory on the CPU, where tensor operations would make a new tensor
//! each.

use std::cell::Cell;

use candle_core::{CpuStorage, InplaceOp2, Layout, Tensor, Var};

/// Runs `pass` over the data of a variable and of what moves it, both contiguous f32 on the CPU.
pub fn in_place(
    var: &Var,
    mover: &Tensor,
    pass: impl FnOnce(&mut [f32], &[f32]),
) -> candle_core::Result<()> {
    var.inplace_op2(mover, &Pass(Cell::new(Some(pass))))
}

/// candle lends the memory to an operation that it does not let change: the pass is taken out of
/// it.
struct Pass<F>(Cell<Option<F>>);

impl<F: FnOnce(&mut [f32], &[f32])> InplaceOp2 for Pass<F> {
    fn name(&self) -> &'static str {
        "in-place pass"
    }

    fn cpu_fwd(
        &self,
        values: &mut CpuStorage,
        values_layout: &Layout,
        mover: &CpuStorage,
        mover_layout: &Layout,
    ) -> candle_core::Result<()> {
        let (CpuStorage::F32(values), CpuStorage::F32(mover)) = (values, mover) else {
            candle_core::bail!("expected f32 variables")
        };
        let (Some((start, end)), Some((from, to))) =
            (values_layout.contiguous_offsets(), mover_layout.contiguous_offsets())
        else {
            candle_core::bail!("expected contiguous variables")
        };
        if let Some(pass) = self.0.take() {
            pass(&mut values[start..end], &mover[from..to]);
        }
        Ok(())
    }
}
