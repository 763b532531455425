//! Gradients of all loss terms, compared with central differences.

use std::cell::RefCell;

use candle_core::{Device, Result, Tensor, Var};
use engine::nn::candle::{Candle, ParamStore};
use engine::nn::{Backend, ConvSpec};
use trainer::classifier::{Classifier, ClassifierShape};
use trainer::losses::perceptual::{ChannelWeights, perceptual};
use trainer::losses::vggish::VggishFeatureLoss;
use trainer::losses::{gram_style, kl, l1, label, mse};
use training_kernels::Bf16;

/// Pseudo-random numbers in `[-1, 1)`.
fn pseudo(shape: &[usize], seed: u64) -> Tensor {
    let count = shape.iter().product::<usize>() as u64;
    let number = |i: u64| {
        (((i + 1) ^ (seed << 20)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f32 / 8_388_608.0
            - 1.0
    };
    Tensor::from_vec((0..count).map(number).collect::<Vec<_>>(), shape, &Device::Cpu).unwrap()
}

/// Compares the slope along several directions with the gradient.
fn check(name: &str, start: &Tensor, loss: impl Fn(&Tensor) -> Result<Tensor>) {
    check_within(2e-3, name, start, loss);
}

/// The same, with a step size relative to the length of `start`. A fast-changing slope needs a
/// small step.
fn check_within(step: f64, name: &str, start: &Tensor, loss: impl Fn(&Tensor) -> Result<Tensor>) {
    let var = Var::from_tensor(start).unwrap();
    let gradients = loss(var.as_tensor()).unwrap().backward().unwrap();
    let gradient = gradients.get(&var).unwrap_or_else(|| panic!("{name}: no gradient"));
    let length =
        |t: &Tensor| t.sqr().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap().sqrt();
    let norm = length(gradient);
    assert!(norm > 1e-6, "{name}: the gradient is zero");
    let steepest = gradient.affine(1.0 / f64::from(norm), 0.0).unwrap();
    let mut directions = vec![steepest.clone()];
    directions.extend((1..6).map(|seed| {
        let random = pseudo(start.dims(), 100 + seed);
        // Half random, half gradient: a slope near zero would only measure rounding errors.
        let unit = random.affine(1.0 / f64::from(length(&random)), 0.0).unwrap();
        unit.add(&steepest).unwrap()
    }));
    let step = step * f64::from(length(start)).max(1.0);
    for (i, direction) in directions.iter().enumerate() {
        let at = |sign: f64| {
            let moved = start.add(&direction.affine(sign * step, 0.0).unwrap()).unwrap();
            f64::from(loss(&moved).unwrap().to_scalar::<f32>().unwrap())
        };
        let slope = (at(1.0) - at(-1.0)) / (2.0 * step);
        let expected = f64::from(
            gradient.mul(direction).unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap(),
        );
        assert!(
            (slope - expected).abs() < 0.02 * expected.abs().max(0.2 * f64::from(norm)) + 1e-5,
            "{name}, direction {i}: slope {slope}, gradient {expected}"
        );
    }
}

/// Output and gradients of input, weight and bias of a convolution from 74 to 40 channels.
fn through_conv(mut ops: Candle, spec: ConvSpec) -> Vec<Tensor> {
    let store = &mut ParamStore::new(&Device::Cpu, 3);
    let conv = Candle::load_conv(&mut &mut *store, "conv", spec).unwrap();
    let x = Var::from_tensor(&pseudo(&[3, 6, 5, 74], 15)).unwrap();
    let y = ops.conv(&x, &conv).unwrap();
    let gradients = (&y * pseudo(y.dims(), 16)).unwrap().sum_all().unwrap().backward().unwrap();
    let variables = store.variables().into_iter().map(|(_, variable)| variable).chain([x]);
    let mut found: Vec<Tensor> = variables.map(|v| gradients.get(&v).unwrap().clone()).collect();
    found.push(y.detach());
    found
}

#[test]
fn a_bf16_convolution_has_the_gradients_of_an_f32_one() {
    let Some(bf16) = Bf16::detect() else {
        return println!("skipped: this CPU has no bf16 instructions");
    };
    let length =
        |t: &Tensor| t.sqr().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap().sqrt();
    let upsampled = ConvSpec::upsampled(74, 40);
    for spec in [
        ConvSpec::conv(74, 40, 3, 1),
        ConvSpec::conv(74, 40, 3, 2),
        ConvSpec::linear(74, 40),
        upsampled,
    ] {
        let exact = through_conv(Candle::new(Device::Cpu), spec);
        let rounded = through_conv(Candle::new(Device::Cpu).with_kernel(bf16), spec);
        let errors = exact.iter().zip(&rounded).map(|(a, b)| length(&(a - b).unwrap()) / length(a));
        let errors: Vec<f32> = errors.collect();
        // Two roundings to 8 bits. The bias' gradient is not rounded.
        assert!(errors.iter().all(|error| *error < 5e-3), "{spec:?}: {errors:?}");
        assert!(errors.iter().filter(|error| **error > 1e-4).count() == 3, "{spec:?}: {errors:?}");
    }
}

#[test]
fn pixel_terms() {
    let target = pseudo(&[2, 6, 5, 1], 1);
    let start = pseudo(&[2, 6, 5, 1], 2);
    check("mse", &start, |x| mse::mse(x, &target));
    // The absolute value has a corner at zero, so start away from it.
    let far = target.add(&start.sign().unwrap().affine(0.5, 0.0).unwrap()).unwrap();
    check("l1", &far, |x| l1::l1(x, &target));
}

#[test]
fn latent_term() {
    let latent = pseudo(&[3, 4, 4, 8], 3).affine(0.3, 0.7).unwrap();
    check("kl", &latent, kl::kl);
    let value = |t: &Tensor| kl::kl(t).unwrap().to_scalar::<f32>().unwrap();
    // Mean 0 and variance 1: the term is zero.
    let standard = Tensor::from_vec(vec![-1.0f32, 1.0, 1.0, -1.0], (4, 1), &Device::Cpu).unwrap();
    assert!(value(&standard).abs() < 1e-5);
    // KL(N(2, 1) || N(0, 1)) = 2.
    assert!((value(&standard.affine(1.0, 2.0).unwrap()) - 2.0).abs() < 1e-4);
}

#[test]
fn label_term() {
    let labels = Tensor::new(&[2u32, 0, 3], &Device::Cpu).unwrap();
    let logits = pseudo(&[3, 4], 4).affine(3.0, 0.0).unwrap();
    check("label", &logits, |x| label::label(x, &labels));
    let even = Tensor::zeros((3, 4), candle_core::DType::F32, &Device::Cpu).unwrap();
    let value = label::label(&even, &labels).unwrap().to_scalar::<f32>().unwrap();
    assert!((value - 4f32.ln()).abs() < 1e-6);
    let huge = logits.affine(1e4, 0.0).unwrap();
    assert!(label::label(&huge, &labels).unwrap().to_scalar::<f32>().unwrap().is_finite());
}

#[test]
fn feature_terms_without_a_network() {
    let targets = [pseudo(&[2, 4, 3, 8], 5), pseudo(&[2, 2, 2, 16], 6)];
    let second = pseudo(&[2, 2, 2, 16], 8);
    let start = pseudo(&[2, 4, 3, 8], 7);
    for channels in [ChannelWeights::Uniform, ChannelWeights::Lpips] {
        check("perceptual", &start, |x| {
            perceptual(&[x.clone(), second.clone()], &targets, channels)
        });
    }
    check("style", &start, |x| gram_style::gram_style(&[x.clone(), second.clone()], &targets));
}

#[test]
fn style_does_not_depend_on_position_or_length() {
    let features = pseudo(&[1, 4, 6, 8], 9);
    let reversed = features.flip(&[1, 2]).unwrap();
    let twice = Tensor::cat(&[&features, &features], 2).unwrap();
    let distance = |a: &Tensor, b: &Tensor| {
        gram_style::gram_style(std::slice::from_ref(a), std::slice::from_ref(b))
            .unwrap()
            .to_scalar::<f32>()
            .unwrap()
    };
    assert!(distance(&features, &reversed) < 1e-10);
    assert!(distance(&features, &twice) < 1e-10);
    assert!(distance(&features, &pseudo(&[1, 4, 6, 8], 10)) > 1e-3);
}

#[test]
fn feature_terms_through_the_network() {
    let shape = ClassifierShape {
        mel: engine::config::MelConfig { n_mels: 16, ..Default::default() },
        frames: 16,
        channels: vec![8, 16],
        instruments: vec!["a".into(), "b".into()],
    };
    let mut weights = ParamStore::new(&Device::Cpu, 5);
    let network = Classifier::<Candle>::load(&mut &mut weights, &shape).unwrap();
    let features = |x: &Tensor| {
        network.features(&mut Candle::new(Device::Cpu), x).map_err(candle_core::Error::wrap)
    };
    let target = features(&pseudo(&[2, 16, 16, 1], 11)).unwrap();
    let start = pseudo(&[2, 16, 16, 1], 12);
    for channels in [ChannelWeights::Uniform, ChannelWeights::Lpips] {
        check("perceptual network", &start, |x| perceptual(&features(x)?, &target, channels));
    }
    check("style network", &start, |x| gram_style::gram_style(&features(x)?, &target));
}

/// With the conversion from our image, VGGish and the losses, for 1.5 s of audio in two examples.
#[test]
fn feature_terms_through_vggish() {
    let mel = engine::config::MelConfig { n_mels: 32, ..Default::default() };
    let image = |seed| pseudo(&[1, 32, 64, 1], seed).affine(0.2, 0.5).unwrap();
    let (target, start) = (image(13), image(14));
    let loss = |channels| {
        VggishFeatureLoss::new(tests::vggish::checkpoint(), &mel, channels, &Device::Cpu)
            .map(RefCell::new)
            .unwrap()
    };
    let wrap = candle_core::Error::wrap;
    for channels in [ChannelWeights::Uniform, ChannelWeights::Lpips] {
        let loss = loss(channels);
        let distance = |x: &Tensor| loss.borrow_mut().perceptual(x, &target).map_err(wrap);
        check_within(5e-4, &format!("perceptual VGGish, {channels:?}"), &start, distance);
    }
    let loss = loss(ChannelWeights::Uniform);
    check_within(5e-4, "style VGGish", &start, |x| {
        loss.borrow_mut().style(x, &target).map_err(wrap)
    });
}
