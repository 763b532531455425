//! A trained denoiser made wider without a change of what it says.
//!
//! Each channel becomes several that hold the same, and whoever reads them divides its weight among
//! them (Chen et al. 2016, Net2Net, arXiv 1511.05641): unevenly and by chance, or their gradients
//! would be the same for ever. Copies lie side by side, so that groups of channels (GroupNorm's,
//! and attention's heads) hold what they held.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use candle_core::Device;
use engine::checkpoint::StoredTensor;
use engine::config::ModelConfig;
use engine::models::{Denoiser, UNET};
use engine::nn::candle::{Candle, ParamStore};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A model's tensors, those of its denoiser as they lie in one of `model`'s widths.
///
/// # Errors
/// If a width is not a multiple of what it was.
pub fn grown<'a>(
    trained: impl Iterator<Item = (&'a String, &'a StoredTensor)>,
    model: &ModelConfig,
    seed: u64,
) -> Result<BTreeMap<String, StoredTensor>> {
    let mut fresh = ParamStore::new(&Device::Cpu, seed);
    Denoiser::<Candle>::load(&mut &mut fresh, model)?;
    let wanted = fresh.export()?;
    let grown = trained.map(|(name, tensor)| {
        let tensor = match wanted.get(name) {
            Some((shape, _)) if name.starts_with(UNET) && *shape != tensor.shape => {
                widened(name, tensor, shape, seed)?
            }
            _ => tensor.clone(),
        };
        Ok((name.clone(), tensor))
    });
    grown.collect()
}

/// How the weights of the tensor `name`, as a checkpoint stores them, lie in a network where it has
/// the shape `wanted`.
fn widened(name: &str, stored: &StoredTensor, wanted: &[usize], seed: u64) -> Result<StoredTensor> {
    let found = &stored.shape;
    let [outputs, inputs] = [0, 1].map(|axis| factor(found.get(axis), wanted.get(axis)));
    ensure!(
        found.len() == wanted.len() && found.get(2..) == wanted.get(2..) && outputs * inputs > 0,
        "model.unet.channels: expected whole multiples of the trained widths, found `{name}` of {found:?} in place of {wanted:?}"
    );
    let kernel: usize = found.iter().skip(2).product();
    let row = found.get(1).map_or(1, |inputs| inputs * kernel);
    // Queries and keys of `outputs` times as many channels have a product as many times as large,
    // and attention divides by the root alone.
    let scale = if name.ends_with(".query.weight") { (outputs as f32).sqrt().recip() } else { 1.0 };
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut data = Vec::with_capacity(wanted.iter().product());
    for output in 0..wanted[0] {
        for weights in stored.data[output / outputs * row..][..row].chunks_exact(kernel) {
            for share in shares(inputs, &mut rng) {
                data.extend(weights.iter().map(|weight| weight * share * scale));
            }
        }
    }
    Ok(StoredTensor { shape: wanted.to_vec(), data })
}

/// How many channels come of one; 0 where it is no whole number. A missing axis has one channel.
fn factor(found: Option<&usize>, wanted: Option<&usize>) -> usize {
    let (found, wanted) = (found.copied().unwrap_or(1), wanted.copied().unwrap_or(1));
    if found > 0 && wanted.is_multiple_of(found) { wanted / found } else { 0 }
}

/// So many positive numbers of sum 1, of which none is more than three times another.
fn shares(count: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let drawn: Vec<f32> = (0..count).map(|_| rng.random_range(0.5..1.5)).collect();
    let sum: f32 = drawn.iter().sum();
    drawn.into_iter().map(|value| if count == 1 { 1.0 } else { value / sum }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_width_that_is_no_multiple_is_refused() {
        let stored = StoredTensor { shape: vec![4, 6], data: vec![1.0; 24] };
        let error = widened("unet.out", &stored, &[4, 9], 1).unwrap_err().to_string();
        assert!(
            error.contains("multiples") && error.contains("[4, 6]") && error.contains("[4, 9]"),
            "{error}"
        );
    }

    #[test]
    fn readers_divide_their_weight_and_writers_repeat_theirs() {
        let stored = StoredTensor { shape: vec![1, 2], data: vec![3.0, -5.0] };
        let wide = widened("unet.out", &stored, &[2, 6], 1).unwrap();
        let sums: Vec<f32> = wide.data.chunks_exact(3).map(|copies| copies.iter().sum()).collect();
        assert!(
            sums.iter().zip([3.0, -5.0, 3.0, -5.0]).all(|(a, b)| (a - b).abs() < 1e-6),
            "{sums:?}"
        );
        assert!(wide.data[0] != wide.data[1], "copies are told apart");
    }
}
