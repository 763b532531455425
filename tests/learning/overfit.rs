//! Every network can overfit one batch, and every variable changes.

use candle_core::{Device, Tensor};
use engine::config::ModelConfig;
use engine::models::unet::{Conditions, MASK_CHANNELS};
use engine::models::{Autoencoder, Denoiser};
use engine::nn::candle::{Candle, ParamStore};
use engine::style::profile::BAND_STATISTICS;
use trainer::classifier::{Classifier, ClassifierShape};
use trainer::losses::{label, mse};
use trainer::optim::{Optimizer, OptimizerConfig};

use crate::networks::small;

/// Pseudo-random numbers in `[0, 1)`.
fn pseudo(shape: &[usize], seed: u64) -> Tensor {
    let count = shape.iter().product::<usize>() as u64;
    let number = |i: u64| ((i + 1) ^ (seed << 24)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let numbers = (0..count).map(|i| number(i) as f32 / 16_777_216.0).collect::<Vec<_>>();
    Tensor::from_vec(numbers, shape, &Device::Cpu).expect("tensor")
}

/// Smooth stripes, which convolutions can represent.
fn images(batch: usize, side: usize) -> Tensor {
    let value = |b: usize, y: usize, x: usize| {
        0.5 + 0.4 * ((y * (b + 1)) as f32 * 0.3 + x as f32 * 0.2 * b as f32).sin()
    };
    let values =
        (0..batch).flat_map(|b| (0..side * side).map(move |i| value(b, i / side, i % side)));
    Tensor::from_vec(values.collect::<Vec<_>>(), (batch, side, side, 1), &Device::Cpu)
        .expect("images")
}

/// Returns the loss before the first and after the last step. Checks that every variable has a
/// gradient and changes.
fn learn(
    store: &ParamStore,
    steps: usize,
    rate: f64,
    mut loss: impl FnMut() -> Tensor,
) -> (f32, f32) {
    let variables = store.variables();
    let copy = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let start: Vec<_> = variables.iter().map(|(_, var)| copy(var.as_tensor())).collect();
    let mut optimiser =
        Optimizer::new(&variables, OptimizerConfig { weight_decay: 0.0, ..Default::default() })
            .unwrap();
    let first = loss().to_scalar::<f32>().unwrap();
    for step in 0..steps {
        let gradients = loss().backward().unwrap();
        if step == 0 {
            let missing: Vec<_> =
                variables.iter().filter(|(_, var)| gradients.get(var).is_none()).collect();
            assert!(
                missing.is_empty(),
                "no gradient: {:?}",
                missing.iter().map(|(name, _)| name).collect::<Vec<_>>()
            );
        }
        assert!(optimiser.step(&gradients, rate).unwrap().applied, "step {step}");
    }
    for ((name, var), start) in variables.iter().zip(start) {
        assert!(copy(var.as_tensor()) != start, "{name} did not move");
    }
    (first, loss().to_scalar::<f32>().unwrap())
}

#[test]
fn the_autoencoder_learns_a_batch() {
    let config = small();
    let mut store = ParamStore::new(&Device::Cpu, 3);
    let nets =
        Autoencoder::<Candle>::load(&mut &mut store, &config.autoencoder).expect("autoencoder");
    let mut ops = Candle::new(Device::Cpu);
    let images = images(4, 32);
    let (first, last) = learn(&store, 200, 5e-3, || {
        let latent = nets.encoder.forward(&mut ops, &images).expect("encode");
        mse::mse(&nets.decoder.forward(&mut ops, &latent).expect("decode"), &images).expect("mse")
    });
    assert!(last < 0.02 * first, "{first} -> {last}");
}

#[test]
fn the_denoiser_and_the_style_encoder_learn_a_batch() {
    let config = ModelConfig {
        mel: engine::config::MelConfig { n_mels: 64, ..Default::default() },
        ..small()
    };
    let mut store = ParamStore::new(&Device::Cpu, 4);
    let nets = Denoiser::<Candle>::load(&mut &mut store, &config).expect("denoiser");
    let mut ops = Candle::new(Device::Cpu);
    let latent = [4, 8, 8, config.autoencoder.latent_channels];
    let (noisy, target) = (
        pseudo(&latent, 1).affine(2.0, -1.0).unwrap(),
        pseudo(&latent, 2).affine(2.0, -1.0).unwrap(),
    );
    let statistics = config.autoencoder.reduction() * BAND_STATISTICS;
    let profile = pseudo(&[4, 8, 1, statistics], 5);
    let (mask, timestep) = (pseudo(&[4, 8, 8, MASK_CHANNELS], 3), pseudo(&[4, 1, 1, 128], 4));
    let (images, labels) = (images(4, 64), Tensor::new(&[0u32, 1, 2, 3], &Device::Cpu).unwrap());
    let (first, last) = learn(&store, 250, 4e-3, || {
        let style = nets.style.forward(&mut ops, &images).expect("style");
        let read = nets
            .unet
            .precompute_style(&mut ops, &style.tokens, &style.pooled, Some(&profile))
            .expect("read");
        let conditions =
            Conditions { content: &noisy, mask: &mask, timestep: &timestep, style: &read };
        let prediction = nets.unet.forward(&mut ops, &noisy, &conditions).expect("unet");
        let label = label::label(&style.logits.flatten_from(1).unwrap(), &labels).unwrap();
        mse::mse(&prediction, &target).unwrap().add(&label.affine(0.1, 0.0).unwrap()).unwrap()
    });
    assert!(last < 0.1 * first, "{first} -> {last}");
}

#[test]
fn the_classifier_learns_a_batch() {
    let shape = ClassifierShape {
        mel: engine::config::MelConfig { n_mels: 32, ..Default::default() },
        frames: 32,
        channels: vec![8, 16, 16],
        instruments: ["a", "b", "c", "d"].map(String::from).to_vec(),
    };
    let mut store = ParamStore::new(&Device::Cpu, 5);
    let network = Classifier::<Candle>::load(&mut &mut store, &shape).expect("classifier");
    let mut ops = Candle::new(Device::Cpu);
    let (images, labels) = (images(4, 32), Tensor::new(&[3u32, 1, 0, 2], &Device::Cpu).unwrap());
    let (first, last) = learn(&store, 100, 1e-2, || {
        let logits = network.forward(&mut ops, &images).expect("logits").flatten_from(1).unwrap();
        label::label(&logits, &labels).unwrap()
    });
    assert!(last < 0.05 * first, "{first} -> {last}");
}
