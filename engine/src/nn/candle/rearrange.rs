//! Channel concatenation and upsampling on the CPU, forward and backward, without transposes.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Shape, Tensor};

use super::conv::{slice, with_data};
use crate::Result;

/// Concatenates the channels of `(B, H, W, *)` tensors.
pub(super) fn concat(parts: &[Tensor]) -> Result<Tensor> {
    let mut joined = parts[0].contiguous()?;
    for part in &parts[1..] {
        joined = joined.apply_op2(&part.contiguous()?, Concat)?;
    }
    Ok(joined)
}

struct Concat;

fn split(dy: &[f32], left: usize, right: usize) -> (Vec<f32>, Vec<f32>) {
    let rows = dy.len() / (left + right);
    let (mut a, mut b) = (Vec::with_capacity(rows * left), Vec::with_capacity(rows * right));
    for row in dy.chunks_exact(left + right) {
        a.extend_from_slice(&row[..left]);
        b.extend_from_slice(&row[left..]);
    }
    (a, b)
}

impl CustomOp2 for Concat {
    fn name(&self) -> &'static str {
        "luthier-concat"
    }

    fn cpu_fwd(
        &self,
        a: &CpuStorage,
        a_layout: &Layout,
        b: &CpuStorage,
        b_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let ((n, h, w, ca), cb) = (a_layout.shape().dims4()?, b_layout.shape().dims4()?.3);
        let (a, b) = (slice(a, a_layout)?, slice(b, b_layout)?);
        if a.len() / ca != b.len() / cb {
            candle_core::bail!(
                "expected equal positions, found {} and {}",
                a.len() / ca,
                b.len() / cb
            );
        }
        let mut y = Vec::with_capacity(a.len() + b.len());
        for (a, b) in a.chunks_exact(ca).zip(b.chunks_exact(cb)) {
            y.extend_from_slice(a);
            y.extend_from_slice(b);
        }
        Ok((CpuStorage::F32(y), (n, h, w, ca + cb).into()))
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let (da, db) = with_data(dy, |dy| Ok(split(dy, a.dim(3)?, b.dim(3)?)))?;
        Ok((
            Some(Tensor::from_vec(da, a.shape(), a.device())?),
            Some(Tensor::from_vec(db, b.shape(), b.device())?),
        ))
    }
}

/// Nearest-neighbour upsampling by two.
pub(super) fn upsample2(x: &Tensor) -> Result<Tensor> {
    Ok(x.contiguous()?.apply_op1(Upsample2)?)
}

struct Upsample2;

impl CustomOp1 for Upsample2 {
    fn name(&self) -> &'static str {
        "luthier-upsample2"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let (b, h, w, c) = layout.shape().dims4()?;
        let x = slice(x, layout)?;
        let mut y = Vec::with_capacity(4 * x.len());
        for row in x.chunks_exact(w * c) {
            let start = y.len();
            for pixel in row.chunks_exact(c) {
                y.extend_from_slice(pixel);
                y.extend_from_slice(pixel);
            }
            y.extend_from_within(start..);
        }
        Ok((CpuStorage::F32(y), (b, 2 * h, 2 * w, c).into()))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> candle_core::Result<Option<Tensor>> {
        let (_, _, w, c) = x.dims4()?;
        let dx = with_data(dy, |dy| {
            let mut dx = vec![0.0; x.elem_count()];
            for (row, pair) in dx.chunks_exact_mut(w * c).zip(dy.chunks_exact(4 * w * c)) {
                for line in pair.chunks_exact(2 * w * c) {
                    for (pixel, two) in row.chunks_exact_mut(c).zip(line.chunks_exact(2 * c)) {
                        for k in 0..c {
                            pixel[k] += two[k] + two[c + k];
                        }
                    }
                }
            }
            Ok(dx)
        })?;
        Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
    }
}
