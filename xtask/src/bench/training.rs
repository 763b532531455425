//! Measures a convolution in training, for each kernel.

use anyhow::Result;
use candle_core::{Device, Tensor, Var};
use engine::config::ModelConfig;
use engine::nn::candle::{Candle, ParamStore};
use engine::nn::{Backend, ConvSpec};
use training_kernels::Bf16;

use super::stages::median_ms;

/// Images of a training step.
const BATCH: usize = 24;

/// Prints the time of one convolution of the denoiser at its finest resolution, forward and with
/// all gradients. The kernels are f32 and all bf16 units of this machine.
pub fn print(config: &ModelConfig, threads: usize, repeats: usize) -> Result<()> {
    let channels = config.unet.channels[0];
    let spec = ConvSpec::conv(channels, channels, 3, 1);
    let side = config.mel.n_mels / config.autoencoder.reduction();
    let once = 2.0 * (BATCH * side * side * channels * channels * 9) as f64;
    println!(
        "\nTraining: a convolution of {channels} to {channels} channels on {BATCH} latents of \
         {side} x {side}. Threads: {threads}.\n"
    );
    println!(
        "| products | forward, ms | GFLOP/s | with gradients, ms | GFLOP/s | ratio |\n\
         |---|---|---|---|---|---|"
    );
    let plain = Candle::new(Device::Cpu);
    let rounded =
        Bf16::all().into_iter().map(|bf16| (bf16.name(), plain.clone().with_kernel(bf16)));
    let mut slowest = None;
    for (name, mut ops) in std::iter::once(("f32", plain.clone())).chain(rounded) {
        let [forward, whole] = times(&mut ops, spec, side, repeats)?;
        let ratio = *slowest.get_or_insert(whole) / whole;
        let speed = |operations: f64, ms: f64| operations / ms * 1e-6;
        let speeds = [speed(once, forward), speed(3.0 * once, whole)];
        println!(
            "| {name} | {forward:.2} | {:.0} | {whole:.2} | {:.0} | {ratio:.1} |",
            speeds[0], speeds[1]
        );
    }
    Ok(())
}

/// Milliseconds of a forward pass, and of a forward and backward pass.
fn times(ops: &mut Candle, spec: ConvSpec, side: usize, repeats: usize) -> Result<[f64; 2]> {
    let mut store = ParamStore::new(&Device::Cpu, 1);
    let conv = Candle::load_conv(&mut &mut store, "conv", spec)?;
    let count = BATCH * side * side * spec.c_in;
    let values: Vec<f32> = (0..count).map(|i| (i * 7919 % 2003) as f32 / 1001.0 - 1.0).collect();
    let x =
        Var::from_tensor(&Tensor::from_vec(values, (BATCH, side, side, spec.c_in), &Device::Cpu)?)?;
    let forward = median_ms(repeats, || {
        ops.conv(&x, &conv)?;
        Ok(())
    })?;
    let whole = median_ms(repeats, || {
        ops.conv(&x, &conv)?.backward()?;
        Ok(())
    })?;
    Ok([forward, whole])
}
