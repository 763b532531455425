//! All networks on both executors.

use candle_core::Device;
use engine::config::ModelConfig;
use engine::image::MelImage;
use engine::models::model::{Conditioning, Model};
use engine::nn::Backend;
use engine::nn::candle::{Candle, ParamStore};
use engine::nn::packed::{Packed, TensorSource};
use engine::style::profile::BAND_STATISTICS;
use trainer::growth::grow;
use trainer::weights::{fill, stored};

/// A small config with a latent size that does not divide evenly.
pub fn small() -> ModelConfig {
    let mut config = ModelConfig::default();
    config.autoencoder.channels = vec![8, 16, 16];
    config.autoencoder.latent_channels = 8;
    config.style.channels = vec![8, 16, 16, 16, 24, 32];
    config.style.dim = 24;
    config.unet.channels = vec![16, 24, 32];
    config.unet.embedding = 32;
    config
}

fn pseudo(count: usize, seed: u64) -> Vec<f32> {
    (0..count as u64)
        .map(|i| {
            (((i ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f32 / 8_388_608.0) - 1.0
        })
        .collect()
}

/// Noise for every weight of a new model, because a layer that starts at zero would hide errors.
pub fn noisy_weights(config: &ModelConfig) -> ParamStore {
    let mut fresh = ParamStore::new(&Device::Cpu, 1);
    let c = config.autoencoder.latent_channels;
    Model::<Candle>::load(&mut &mut fresh, config.clone(), vec![0.0; c], vec![1.0; c])
        .expect("fresh model");
    let mut filled = ParamStore::new(&Device::Cpu, 1);
    for (i, (name, (shape, data))) in fresh.export().expect("export").into_iter().enumerate() {
        let scale = (3.0 / shape[1..].iter().product::<usize>().max(4) as f32).sqrt();
        let values = pseudo(data.len(), i as u64).iter().map(|v| v * scale).collect();
        filled.insert(name, shape, values);
    }
    filled
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    let scale = a.iter().map(|v| v.abs()).fold(1.0, f32::max);
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / scale
}

struct Outputs {
    latent: Vec<f32>,
    image: Vec<f32>,
    tokens: Vec<f32>,
    predictions: Vec<Vec<f32>>,
}

fn run<B: Backend>(ops: &mut B, model: &Model<B>, frames: usize) -> Outputs {
    let image = MelImage {
        n_mels: 128,
        frames,
        data: pseudo(128 * frames, 7).iter().map(|v| v.abs()).collect(),
    };
    let latent = model.encode(ops, &image).expect("encode");
    let dims = model.latent_dims(128, frames);
    let decoded = model.decode(ops, &latent, dims).expect("decode");
    let style = model.style_tokens(ops, &[image.clone(), image]).expect("style");
    let noisy = pseudo(latent.len(), 9);
    let conditionings = [
        Conditioning { content: Some(&latent), style: Some(&style), prefix_columns: 2 },
        Conditioning { content: Some(&latent), style: None, prefix_columns: 2 },
        Conditioning { content: None, style: Some(&style), prefix_columns: 0 },
    ];
    let predictions = model.denoise(ops, &noisy, dims, 321, &conditionings).expect("denoise");
    Outputs { latent, image: decoded.data, tokens: style.tokens, predictions }
}

#[test]
fn the_executors_agree_on_every_network() {
    let config = small();
    let c = config.autoencoder.latent_channels;
    let mut weights = noisy_weights(&config);
    let packed = Model::<Packed>::load(
        &mut (&weights as &dyn TensorSource),
        config.clone(),
        vec![0.1; c],
        vec![0.5; c],
    )
    .expect("packed");
    let candle = Model::<Candle>::load(&mut &mut weights, config, vec![0.1; c], vec![0.5; c])
        .expect("candle");
    // 128 frames, and other window sizes. The denoiser must pad one of them.
    for frames in [128, 64, 200] {
        let a = run(&mut Packed::default(), &packed, frames);
        let b = run(&mut Candle::new(Device::Cpu), &candle, frames);
        assert!(a.latent.iter().any(|v| v.abs() > 0.01), "the encoder has an output");
        assert!(largest_difference(&a.latent, &b.latent) < 1e-4);
        assert!(largest_difference(&a.image, &b.image) < 1e-4);
        assert!(largest_difference(&a.tokens, &b.tokens) < 1e-4);
        for (a, b) in a.predictions.iter().zip(&b.predictions) {
            assert!(a.iter().any(|v| v.abs() > 0.01), "the denoiser has an output");
            assert!(largest_difference(a, b) < 1e-4);
        }
        assert!(
            largest_difference(&a.predictions[0], &a.predictions[1]) > 1e-3,
            "the style has an effect"
        );
        assert!(
            largest_difference(&a.predictions[0], &a.predictions[2]) > 1e-3,
            "the content has an effect"
        );
    }
}

/// Checks that a model and a larger one with weights grown from it have equal outputs.
fn check_equal_start(config: &ModelConfig, larger: &ModelConfig, tolerance: f32) {
    let c = config.autoencoder.latent_channels;
    let load = |config: &ModelConfig, mut weights: &mut ParamStore| {
        Model::<Candle>::load(&mut weights, config.clone(), vec![0.1; c], vec![0.5; c])
            .expect("candle")
    };
    let (mut weights, mut start) = (noisy_weights(config), ParamStore::new(&Device::Cpu, 2));
    let trained = load(config, &mut weights);
    let stored = stored(weights.export().expect("export"));
    fill(&mut start, &grow(stored.iter(), larger, 3).expect("whole multiples"));
    let larger = load(larger, &mut start);
    let ops = &mut Candle::new(Device::Cpu);
    let (a, b) = (run(ops, &trained, 128), run(ops, &larger, 128));
    for (a, b) in a.predictions.iter().zip(&b.predictions) {
        assert!(a.iter().any(|v| v.abs() > 0.01), "the denoiser has an output");
        let difference = largest_difference(a, b);
        assert!(difference < tolerance, "{difference}");
    }
}

/// A checkpoint without some blocks initialises them to add zero, so a trained model can grow
/// (`train --init FILE model.unet.res_blocks=3`).
#[test]
fn a_deeper_denoiser_starts_with_the_output_of_the_original() {
    let mut deeper = small();
    deeper.unet.res_blocks += 1;
    check_equal_start(&small(), &deeper, 1e-6);
}

/// Channels are copied (`train --init FILE model.unet.channels=...`) at any resolution, with or
/// without attention.
#[test]
fn a_wider_denoiser_starts_with_the_output_of_the_original() {
    for channels in [[32, 24, 32], [16, 72, 32], [32, 48, 64]] {
        let mut wider = small();
        wider.unet.channels = channels.to_vec();
        check_equal_start(&small(), &wider, 1e-4);
    }
}

/// Central differences of a scalar function of each weight, compared with its gradient, for every
/// layer type.
#[test]
fn gradients_match_finite_differences() {
    use candle_core::Tensor;
    let config = small();
    let c = config.autoencoder.latent_channels;
    let mut weights = noisy_weights(&config);
    let device = Device::Cpu;
    let mut ops = Candle::new(device.clone());
    let unet =
        engine::models::Denoiser::<Candle>::load(&mut &mut weights, &config).expect("denoiser");
    let image =
        Tensor::from_vec(pseudo(2 * 128 * 128, 3), (2, 128, 128, 1), &device).expect("image");
    let noisy = Tensor::from_vec(pseudo(2 * 256 * c, 4), (2, 16, 16, c), &device).expect("noisy");
    let mask = Tensor::ones((2, 16, 16, 2), candle_core::DType::F32, &device).expect("mask");
    let timestep = Tensor::from_vec(pseudo(2 * 128, 5), (2, 1, 1, 128), &device).expect("timestep");
    let statistics = config.autoencoder.reduction() * BAND_STATISTICS;
    let profile = Tensor::from_vec(pseudo(2 * 16 * statistics, 7), (2, 16, 1, statistics), &device)
        .expect("profile");
    let probe = Tensor::from_vec(pseudo(2 * 256 * c, 6), (2, 16, 16, c), &device).expect("probe");
    let mut loss = || {
        let style = unet.style.forward(&mut ops, &image).expect("style");
        let read = unet
            .unet
            .precompute_style(&mut ops, &style.tokens, &style.pooled, Some(&profile))
            .expect("read");
        let conditions = engine::models::unet::Conditions {
            content: &noisy,
            mask: &mask,
            timestep: &timestep,
            style: &read,
        };
        let y = unet.unet.forward(&mut ops, &noisy, &conditions).expect("unet");
        ((y * &probe).expect("mul").sum_all().expect("sum")
            + style.logits.sqr().expect("sqr").sum_all().expect("sum"))
        .expect("add")
    };
    let gradients = loss().backward().expect("backward");
    for (name, var) in weights.variables() {
        let gradient = gradients.get(&var).unwrap_or_else(|| panic!("{name} has no gradient"));
        let gradient = gradient.flatten_all().expect("flat").to_vec1::<f32>().expect("values");
        let start = var.flatten_all().expect("flat").to_vec1::<f32>().expect("values");
        // The direction of the gradient has the largest difference and the smallest relative
        // rounding error.
        let norm = gradient.iter().map(|g| (*g as f64).powi(2)).sum::<f64>().sqrt();
        assert!(norm > 0.0, "{name}: the gradient is zero");
        let step = 2e-3
            * (start.iter().map(|v| (*v as f64).powi(2)).sum::<f64>().sqrt() / norm)
                .max(0.1 / norm);
        let mut at = |sign: f64| {
            let moved: Vec<f32> = start
                .iter()
                .zip(&gradient)
                .map(|(v, g)| (*v as f64 + sign * step * *g as f64) as f32)
                .collect();
            var.set(&Tensor::from_vec(moved, var.shape(), &device).expect("moved")).expect("set");
            loss().to_scalar::<f32>().expect("scalar") as f64
        };
        let slope = (at(1.0) - at(-1.0)) / (2.0 * step);
        var.set(&Tensor::from_vec(start, var.shape(), &device).expect("start")).expect("set");
        let expected = norm * norm;
        assert!(
            (slope - expected).abs() < 0.03 * expected.abs() + 1e-3,
            "{name}: slope {slope}, gradient {expected}"
        );
    }
}
