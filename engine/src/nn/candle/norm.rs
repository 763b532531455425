//! Trainable GroupNorm with a per-channel affine and SiLU, fused, on the CPU.

use candle_core::{CpuStorage, CustomOp3, Layout, Shape, Tensor};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::conv::{slice, with_data};
use crate::Result;
use crate::nn::backend::GROUPS;
use crate::nn::kernels::{affine, group_statistics, sigmoid};

/// `act(unit(x) * scale + shift)`, where `unit` is GroupNorm without affine. `x (B, H, W, C)`,
/// `scale` and `shift` `(B or 1, C)`.
pub(super) fn norm(x: &Tensor, scale: &Tensor, shift: &Tensor, silu: bool) -> Result<Tensor> {
    let (batch, _, _, channels) = x.dims4()?;
    let shared = scale.dim(0)? == 1;
    let op = Norm { batch, channels, shared, silu };
    Ok(x.contiguous()?.apply_op3(&scale.contiguous()?, &shift.contiguous()?, op)?)
}

struct Norm {
    batch: usize,
    channels: usize,
    /// Whether all images share one scale and shift.
    shared: bool,
    silu: bool,
}

impl Norm {
    fn affine<'a>(&self, values: &'a [f32], image: usize) -> &'a [f32] {
        &values[if self.shared { 0 } else { image * self.channels }..][..self.channels]
    }

    fn forward(&self, x: &[f32], scale: &[f32], shift: &[f32]) -> Vec<f32> {
        let (c, width) = (self.channels, self.channels / GROUPS);
        let mut y = vec![0.0; x.len()];
        let image = x.len() / self.batch;
        y.par_chunks_mut(image).zip(x.par_chunks(image)).enumerate().for_each(|(i, (y, x))| {
            let statistics = group_statistics(x, c);
            let (a, b) = (self.affine(scale, i), self.affine(shift, i));
            let a: Vec<f32> = (0..c).map(|k| a[k] * statistics[k / width].1).collect();
            let b: Vec<f32> = (0..c).map(|k| b[k] - a[k] * statistics[k / width].0).collect();
            affine(x, &a, &b, self.silu, y);
        });
        y
    }

    /// With `u = unit(x)`, `t = u a + b`, `g = dL/dt`: `da = sum g u`, `db = sum g`, and
    /// `dx = rstd (g a - mean(g a) - u mean(g a u))` over each group (Wu and He 2018,
    /// differentiated). Writes `dx` and returns `da` and `db`.
    fn image_gradient(
        &self,
        x: &[f32],
        dy: &[f32],
        [a, b]: [&[f32]; 2],
        dx: &mut [f32],
    ) -> [Vec<f32>; 2] {
        let (c, width) = (self.channels, self.channels / GROUPS);
        let statistics = group_statistics(x, c);
        let mean: Vec<f32> = (0..c).map(|k| statistics[k / width].0).collect();
        let rstd: Vec<f32> = (0..c).map(|k| statistics[k / width].1).collect();
        let mut sums = [vec![0.0; c], vec![0.0; c]];
        let unit = Unit { mean: &mean, rstd: &rstd };
        Arch::new().dispatch(ThroughAffine {
            unit: &unit,
            x,
            dy,
            affine: [a, b],
            silu: self.silu,
            g: dx,
            sums: &mut sums,
        });
        let [scale, shift] = &sums;
        let count = (x.len() / GROUPS) as f32;
        let group_mean = |values: &[f32], g: usize| {
            (g * width..(g + 1) * width).map(|k| values[k] * a[k]).sum::<f32>() / count
        };
        let mean_ga: Vec<f32> = (0..c).map(|k| group_mean(shift, k / width)).collect();
        let mean_gau: Vec<f32> = (0..c).map(|k| group_mean(scale, k / width)).collect();
        let means = [&mean_ga[..], &mean_gau[..]];
        Arch::new().dispatch(ThroughStatistics { unit: &unit, x, a, means, g: dx });
        sums
    }

    /// Gradients of input, scale and shift.
    fn backward(&self, x: &[f32], dy: &[f32], scale: &[f32], shift: &[f32]) -> [Vec<f32>; 3] {
        let image = x.len() / self.batch;
        let mut dx = vec![0.0; x.len()];
        let sums: Vec<[Vec<f32>; 2]> = dx
            .par_chunks_mut(image)
            .zip(x.par_chunks(image).zip(dy.par_chunks(image)))
            .enumerate()
            .map(|(i, (dx, (x, dy)))| {
                self.image_gradient(x, dy, [self.affine(scale, i), self.affine(shift, i)], dx)
            })
            .collect();
        let total = |which: usize| {
            let mut all: Vec<f32> = Vec::new();
            for one in sums.iter().map(|sums| &sums[which]) {
                match self.shared && !all.is_empty() {
                    true => all.iter_mut().zip(one).for_each(|(a, b)| *a += b),
                    false => all.extend(one),
                }
            }
            all
        };
        let [scale, shift] = [0, 1].map(total);
        [dx, scale, shift]
    }
}

/// `unit(x)` of an image: one mean and one reciprocal standard deviation per channel.
struct Unit<'a> {
    mean: &'a [f32],
    rstd: &'a [f32],
}

/// Writes `g = dy slope(u a + b)`, and its sums over positions, `[sum g u, sum g]`.
struct ThroughAffine<'a> {
    unit: &'a Unit<'a>,
    x: &'a [f32],
    dy: &'a [f32],
    affine: [&'a [f32]; 2],
    silu: bool,
    g: &'a mut [f32],
    sums: &'a mut [Vec<f32>; 2],
}

impl ThroughAffine<'_> {
    #[inline(always)]
    fn with_slope(self, slope: impl Fn(f32) -> f32) {
        let (Unit { mean, rstd }, [a, b], [scale, shift]) = (self.unit, self.affine, self.sums);
        let c = a.len();
        for ((x, dy), g) in
            self.x.chunks_exact(c).zip(self.dy.chunks_exact(c)).zip(self.g.chunks_exact_mut(c))
        {
            let channels = mean.iter().zip(*rstd).zip(a.iter().zip(b));
            let sums = scale.iter_mut().zip(shift.iter_mut());
            let values = x.iter().zip(dy).zip(g).zip(channels.zip(sums));
            for (((x, dy), g), (((mean, rstd), (a, b)), (scale, shift))) in values {
                let u = (x - mean) * rstd;
                *g = dy * slope(u * a + b);
                *scale += *g * u;
                *shift += *g;
            }
        }
    }
}

impl WithSimd for ThroughAffine<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        match self.silu {
            true => self.with_slope(silu_slope),
            false => self.with_slope(|_| 1.0),
        }
    }
}

/// `rstd (g a - mean(g a) - u mean(g a u))`, in place.
struct ThroughStatistics<'a> {
    unit: &'a Unit<'a>,
    x: &'a [f32],
    a: &'a [f32],
    /// Means of `g a` and `g a u` over each channel's group.
    means: [&'a [f32]; 2],
    g: &'a mut [f32],
}

impl WithSimd for ThroughStatistics<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let (Unit { mean, rstd }, a, [mean_ga, mean_gau]) = (self.unit, self.a, self.means);
        let c = a.len();
        for (x, g) in self.x.chunks_exact(c).zip(self.g.chunks_exact_mut(c)) {
            let channels = mean.iter().zip(*rstd).zip(a.iter().zip(mean_ga.iter().zip(mean_gau)));
            for ((x, g), ((mean, rstd), (a, (mean_ga, mean_gau)))) in x.iter().zip(g).zip(channels)
            {
                let u = (x - mean) * rstd;
                *g = rstd * (*g * a - mean_ga - u * mean_gau);
            }
        }
    }
}

/// The derivative of `t sigmoid(t)`.
#[inline(always)]
fn silu_slope(t: f32) -> f32 {
    let s = sigmoid(t);
    s * (1.0 + t * (1.0 - s))
}

impl CustomOp3 for Norm {
    fn name(&self) -> &'static str {
        "luthier-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        scale: &CpuStorage,
        scale_layout: &Layout,
        shift: &CpuStorage,
        shift_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let y = self.forward(
            slice(x, x_layout)?,
            slice(scale, scale_layout)?,
            slice(shift, shift_layout)?,
        );
        Ok((CpuStorage::F32(y), x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        scale: &Tensor,
        shift: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [dx, d_scale, d_shift] = with_data(x, |x| {
            with_data(dy, |dy| {
                with_data(scale, |scale| {
                    with_data(shift, |shift| Ok(self.backward(x, dy, scale, shift)))
                })
            })
        })?;
        let device = x.device();
        Ok((
            Some(Tensor::from_vec(dx, x.shape(), device)?),
            Some(Tensor::from_vec(d_scale, scale.shape(), device)?),
            Some(Tensor::from_vec(d_shift, shift.shape(), device)?),
        ))
    }
}
