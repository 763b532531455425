//! Compares the speed of a denoising step with the speed of one large matrix product.

use anyhow::Result;
use engine::config::ModelConfig;
use engine::models::model::Model;
use engine::nn::kernels::{Matrix, matmul};
use engine::nn::packed::Packed;
use engine::nn::{Backend, ConvSpec};

use super::stage::{Stage, StageInputs};
use super::stages::{Executor, median_ms};

/// Rows and columns of the product that measures the peak speed of `gemm`. Its operands fit into
/// the second-level cache.
const PEAK: usize = 512;

/// Prints the speed of a denoising step and of one large product, on one thread.
pub fn print(
    config: &ModelConfig,
    ours: &mut Executor<Packed>,
    inputs: &StageInputs,
    repeats: usize,
) -> Result<()> {
    let operations = operations_per_step(config, inputs)? as f64;
    let speed = operations / ours.median_ms(&[Stage::Step], repeats)? * 1e-6;
    let peak = 2.0 * (PEAK as f64).powi(3) / product_ms(repeats)? * 1e-6;
    println!(
        "\nThe matrix products of a step need {:.2} GFLOP, counted without Winograd's savings. The \
         whole step reaches {speed:.1} GFLOP/s. This is {:.0} % of the {peak:.1} GFLOP/s of \
         `gemm` ({PEAK} x {PEAK} x {PEAK}, one thread).",
        operations * 1e-9,
        100.0 * speed / peak
    );
    Ok(())
}

fn product_ms(repeats: usize) -> Result<f64> {
    let (a, b) = (vec![0.5; PEAK * PEAK], vec![0.25; PEAK * PEAK]);
    let mut out = vec![0.0; PEAK * PEAK];
    median_ms(repeats, || {
        matmul([PEAK; 3], Matrix::rows(&a, PEAK), Matrix::rows(&b, PEAK), &mut out, PEAK, false);
        Ok(())
    })
}

/// Floating-point operations of a step, counted by an executor that runs the network's code.
fn operations_per_step(config: &ModelConfig, inputs: &StageInputs) -> Result<u64> {
    let (mean, std) = (vec![0.0; inputs.dims[2]], vec![1.0; inputs.dims[2]]);
    let model = Model::<Counter>::load(&mut (), config.clone(), mean, std)?;
    let conditionings = &inputs.conditionings()[..1];
    let style = model.precompute_style(&mut Counter::default(), conditionings)?;
    let mut counter = Counter::default();
    model.denoise_with_style(
        &mut counter,
        &inputs.noisy,
        inputs.dims,
        inputs.timestep,
        conditionings,
        &style,
    )?;
    Ok(counter.operations)
}

/// Counts the additions and multiplications of matrix products, without computing them.
/// Convolutions are direct; upsampled ones are counted in their four phases.
#[derive(Default)]
struct Counter {
    operations: u64,
}

impl Counter {
    fn product(&mut self, sizes: [usize; 3]) {
        self.operations += 2 * sizes.iter().product::<usize>() as u64;
    }
}

impl Backend for Counter {
    type Tensor = [usize; 4];
    type Conv = ConvSpec;
    type Norm = ();
    type Source<'s> = ();

    fn load_conv(_: &mut (), _: &str, spec: ConvSpec) -> engine::Result<ConvSpec> {
        Ok(spec)
    }

    fn load_norm(_: &mut (), _: &str, _: usize) -> engine::Result<()> {
        Ok(())
    }

    fn tensor(&mut self, dims: [usize; 4], _: &[f32]) -> engine::Result<[usize; 4]> {
        Ok(dims)
    }

    fn data(&mut self, x: &[usize; 4]) -> engine::Result<Vec<f32>> {
        Ok(vec![0.0; x.iter().product()])
    }

    fn dims(&self, x: &[usize; 4]) -> [usize; 4] {
        *x
    }

    fn conv(&mut self, &[b, h, w, _]: &[usize; 4], spec: &ConvSpec) -> engine::Result<[usize; 4]> {
        let (height, width) = (spec.output(h), spec.output(w));
        // In each phase of an upsampled image, the packed executor multiplies 2 x 2 pixels where
        // the layer has 3 x 3 weights.
        let kernel = if spec.upsampled { 2 } else { spec.kernel };
        self.product([b * height * width, spec.c_out, kernel * kernel * spec.c_in]);
        Ok([b, height, width, spec.c_out])
    }

    fn norm(
        &mut self,
        x: &[usize; 4],
        (): &(),
        _: Option<&[usize; 4]>,
        _: bool,
    ) -> engine::Result<[usize; 4]> {
        Ok(*x)
    }

    fn silu(&mut self, x: &[usize; 4]) -> engine::Result<[usize; 4]> {
        Ok(*x)
    }

    fn add(&mut self, a: &[usize; 4], _: &[usize; 4]) -> engine::Result<[usize; 4]> {
        Ok(*a)
    }

    fn concat(&mut self, parts: &[&[usize; 4]]) -> engine::Result<[usize; 4]> {
        let [b, h, w, _] = *parts[0];
        Ok([b, h, w, parts.iter().map(|part| part[3]).sum()])
    }

    fn attention(
        &mut self,
        q: &[usize; 4],
        k: &[usize; 4],
        _: &[usize; 4],
        _: usize,
    ) -> engine::Result<[usize; 4]> {
        let [b, h, w, c] = *q;
        // Queries times keys, then weights times values. The heads share the channels.
        self.product([b * h * w, k[2], c]);
        self.product([b * h * w, k[2], c]);
        Ok(*q)
    }

    fn mean(&mut self, &[b, _, _, c]: &[usize; 4]) -> engine::Result<[usize; 4]> {
        Ok([b, 1, 1, c])
    }

    fn tokens(&mut self, parts: &[&[usize; 4]]) -> engine::Result<[usize; 4]> {
        let count = parts.iter().map(|[_, h, w, _]| h * w).sum();
        Ok([parts[0][0], 1, count, parts[0][3]])
    }

    fn space_to_depth(
        &mut self,
        &[b, h, w, c]: &[usize; 4],
        r: usize,
    ) -> engine::Result<[usize; 4]> {
        Ok([b, h / r, w / r, c * r * r])
    }

    fn depth_to_space(
        &mut self,
        &[b, h, w, c]: &[usize; 4],
        r: usize,
    ) -> engine::Result<[usize; 4]> {
        Ok([b, h * r, w * r, c / (r * r)])
    }
}
