//! Widens a trained denoiser without a change of its output.
//!
//! Each channel is copied, and the layers that read the copies divide its weight among them (Chen
//! et al. 2016, Net2Net, arXiv 1511.05641). The shares are random and unequal, because equal copies
//! would keep equal gradients. Copies of a channel are adjacent, so channel groups (GroupNorm and
//! attention heads) keep their contents.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use candle_core::Device;
use engine::checkpoint::StoredTensor;
use engine::config::ModelConfig;
use engine::models::{Denoiser, UNET};
use engine::nn::candle::{Candle, ParamStore};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Returns a model's tensors, with those of the denoiser widen_tensor to the shapes of `model`.
///
/// # Errors
/// If a new width is not a multiple of the old one.
pub fn grow<'a>(
    trained: impl Iterator<Item = (&'a String, &'a StoredTensor)>,
    model: &ModelConfig,
    seed: u64,
) -> Result<BTreeMap<String, StoredTensor>> {
    let mut fresh = ParamStore::new(&Device::Cpu, seed);
    Denoiser::<Candle>::load(&mut &mut fresh, model)?;
    let target = fresh.export()?;
    let grown = trained.map(|(name, tensor)| {
        let tensor = match target.get(name) {
            Some((shape, _)) if name.starts_with(UNET) && *shape != tensor.shape => {
                widen_tensor(name, tensor, shape, seed)?
            }
            _ => tensor.clone(),
        };
        Ok((name.clone(), tensor))
    });
    grown.collect()
}

/// Widens one stored tensor to the shape `target`.
fn widen_tensor(
    name: &str,
    stored: &StoredTensor,
    target: &[usize],
    seed: u64,
) -> Result<StoredTensor> {
    let found = &stored.shape;
    let [outputs, inputs] = [0, 1].map(|axis| factor(found.get(axis), target.get(axis)));
    ensure!(
        found.len() == target.len() && found.get(2..) == target.get(2..) && outputs * inputs > 0,
        "model.unet.channels: expected multiples of the trained widths, found `{name}` of \
         {found:?} instead of {target:?}"
    );
    let kernel: usize = found.iter().skip(2).product();
    let row = found.get(1).map_or(1, |inputs| inputs * kernel);
    // Queries and keys with `outputs` times as many channels have a product that is `outputs` times
    // larger. Attention divides only by the square root of the width.
    let scale = if name.ends_with(".query.weight") { (outputs as f32).sqrt().recip() } else { 1.0 };
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut data = Vec::with_capacity(target.iter().product());
    for output in 0..target[0] {
        for weights in stored.data[output / outputs * row..][..row].chunks_exact(kernel) {
            for share in shares(inputs, &mut rng) {
                data.extend(weights.iter().map(|weight| weight * share * scale));
            }
        }
    }
    Ok(StoredTensor { shape: target.to_vec(), data })
}

/// Copies of each channel; 0 if `target` is not a multiple of `found`. A missing axis has one
/// channel.
fn factor(found: Option<&usize>, target: Option<&usize>) -> usize {
    let (found, target) = (found.copied().unwrap_or(1), target.copied().unwrap_or(1));
    if found > 0 && target.is_multiple_of(found) { target / found } else { 0 }
}

/// `count` positive random numbers of sum 1. The largest is at most three times the smallest.
fn shares(count: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let drawn: Vec<f32> = (0..count).map(|_| rng.random_range(0.5..1.5)).collect();
    let sum: f32 = drawn.iter().sum();
    drawn.into_iter().map(|value| if count == 1 { 1.0 } else { value / sum }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_that_are_not_multiples_are_refused() {
        let stored = StoredTensor { shape: vec![4, 6], data: vec![1.0; 24] };
        let error = widen_tensor("unet.out", &stored, &[4, 9], 1).unwrap_err().to_string();
        assert!(
            error.contains("multiples") && error.contains("[4, 6]") && error.contains("[4, 9]"),
            "{error}"
        );
    }

    #[test]
    fn inputs_divide_their_weights_and_outputs_repeat_them() {
        let stored = StoredTensor { shape: vec![1, 2], data: vec![3.0, -5.0] };
        let wide = widen_tensor("unet.out", &stored, &[2, 6], 1).unwrap();
        let sums: Vec<f32> = wide.data.chunks_exact(3).map(|copies| copies.iter().sum()).collect();
        assert!(
            sums.iter().zip([3.0, -5.0, 3.0, -5.0]).all(|(a, b)| (a - b).abs() < 1e-6),
            "{sums:?}"
        );
        assert!(wide.data[0] != wide.data[1], "copies differ");
    }
}
