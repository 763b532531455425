//! All networks on both executors, compared with equal modules in torch. The numbers are from
//! `tests/golden/networks.py`.

mod golden;

use candle_core::{Device, Tensor};
use engine::image::MelImage;
use engine::models::cross_attention::CrossAttention;
use engine::models::model::{Conditioning, Model};
use engine::models::position::SinusoidalPositionEmbedding;
use engine::models::unet::Conditions;
use engine::models::{Autoencoder, Denoiser};
use engine::nn::Backend;
use engine::nn::candle::{Candle, ParamStore};
use engine::nn::packed::{Packed, TensorSource};

use self::golden::{Array, Golden, dot, largest, norm};

/// Largest difference of a gradient, relative to the norm of torch's gradient.
const GRADIENT_TOLERANCE: f32 = 1e-3;
/// Below this share of the largest gradient, a gradient is zero, for example that of a bias before
/// a normalisation.
const NO_GRADIENT: f32 = 1e-6;

/// A test of `check` on each executor with the golden weights.
macro_rules! on_both_executors {
    ($packed:ident, $candle:ident, $check:ident) => {
        #[test]
        fn $packed() {
            let golden = Golden::read();
            let weights = golden.weights();
            $check(&golden, &mut Packed::default(), &mut (&weights as &dyn TensorSource));
        }

        #[test]
        fn $candle() {
            let golden = Golden::read();
            let mut weights = golden.weights();
            $check(&golden, &mut Candle::new(Device::Cpu), &mut &mut weights);
        }
    };
}

#[test]
fn positions_match_torch() {
    let golden = Golden::read();
    let timesteps = golden.data("in/position.timesteps");
    let embed =
        |t: &f32| SinusoidalPositionEmbedding::embed(*t, SinusoidalPositionEmbedding::TIMESTEP_DIM);
    let embedded: Vec<f32> = timesteps.iter().flat_map(embed).collect();
    let shape = [timesteps.len(), 1, 1, SinusoidalPositionEmbedding::TIMESTEP_DIM];
    golden.assert_equals("position.embed", &shape, &embedded);
    let channels = golden.config.unet.frequency_channels;
    for rows in [16, 5] {
        let embedded = SinusoidalPositionEmbedding::rows(rows, channels);
        golden.assert_equals(&format!("position.rows.{rows}"), &[rows, 1, 1, channels], &embedded);
    }
}

on_both_executors!(packed_autoencoder_matches_torch, candle_autoencoder_matches_torch, autoencoder);

fn autoencoder<B: Backend>(golden: &Golden, ops: &mut B, source: &mut B::Source<'_>) {
    let networks = Autoencoder::<B>::load(source, &golden.config.autoencoder).expect("autoencoder");
    for frames in [128, 64] {
        let image = golden.activation(ops, &format!("in/{frames}.image"));
        let latent = networks.encoder.forward(ops, &image).expect("encoder");
        golden.assert_activation(&format!("{frames}.latent"), ops, &latent);
        let latent = golden.activation(ops, &format!("out/{frames}.latent"));
        let decoded = networks.decoder.forward(ops, &latent).expect("decoder");
        golden.assert_activation(&format!("{frames}.decoded"), ops, &decoded);
    }
}

on_both_executors!(packed_attention_matches_torch, candle_attention_matches_torch, attention);

fn attention<B: Backend>(golden: &Golden, ops: &mut B, source: &mut B::Source<'_>) {
    let (channels, heads) = (golden.config.unet.channels[1], golden.config.unet.heads);
    let mut load = |part: &str, token_dim| {
        CrossAttention::<B>::load(
            source,
            &format!("unet.down.1.{part}"),
            channels,
            token_dim,
            heads,
        )
        .expect("attention")
    };
    let own = load("self_attention", channels);
    let cross = load("cross_attention", golden.config.style.dim);
    let x = golden.activation(ops, "in/attention.x");
    let tokens = golden.activation(ops, "in/attention.tokens");
    let y = own.forward(ops, &x, None).expect("self-attention");
    golden.assert_activation("attention.self", ops, &y);
    let memory = cross.key_values(ops, &tokens).expect("memory");
    let y = cross.forward(ops, &x, Some(&memory)).expect("cross-attention");
    golden.assert_activation("attention.cross", ops, &y);
    let [_, one, count, dim] = ops.dims(&tokens);
    let first = &golden.data("in/attention.tokens")[..count * dim];
    let repeated = ops.tensor([1, one, count, dim], first).expect("tokens of one");
    let memory = cross.key_values(ops, &repeated).expect("memory");
    let y = cross.forward(ops, &x, Some(&memory)).expect("cross-attention");
    golden.assert_activation("attention.cross_repeated", ops, &y);
}

on_both_executors!(packed_denoiser_matches_torch, candle_denoiser_matches_torch, denoiser);

fn denoiser<B: Backend>(golden: &Golden, ops: &mut B, source: &mut B::Source<'_>) {
    let networks = Denoiser::<B>::load(source, &golden.config).expect("denoiser");
    for frames in [128, 64] {
        let image = golden.activation(ops, &format!("in/{frames}.image"));
        let style = networks.style.forward(ops, &image).expect("style encoder");
        for (name, ours) in
            [("tokens", &style.tokens), ("pooled", &style.pooled), ("logits", &style.logits)]
        {
            golden.assert_activation(&format!("{frames}.{name}"), ops, ours);
        }
        let mut torchs =
            |name: &str| golden.activation(ops, &name.replace('*', &frames.to_string()));
        let (noisy, content, mask) =
            (torchs("in/*.noisy"), torchs("in/*.content"), torchs("in/*.mask"));
        let [tokens, pooled, profile] =
            ["tokens", "pooled", "profile"].map(|name| torchs(&format!("out/*.{name}")));
        let timestep = embedded_timesteps(golden, ops, frames);
        let read =
            networks.unet.precompute_style(ops, &tokens, &pooled, Some(&profile)).expect("read");
        let conditions =
            Conditions { content: &content, mask: &mask, timestep: &timestep, style: &read };
        let prediction = networks.unet.forward(ops, &noisy, &conditions).expect("unet");
        golden.assert_activation(&format!("{frames}.prediction"), ops, &prediction);
    }
}

fn embedded_timesteps<B: Backend>(golden: &Golden, ops: &mut B, frames: usize) -> B::Tensor {
    let (timesteps, dim) =
        (golden.data(&format!("in/{frames}.timesteps")), SinusoidalPositionEmbedding::TIMESTEP_DIM);
    let embed = |t: &f32| SinusoidalPositionEmbedding::embed(*t, dim);
    let data: Vec<f32> = timesteps.iter().flat_map(embed).collect();
    ops.tensor([timesteps.len(), 1, 1, dim], &data).expect("timesteps")
}

on_both_executors!(packed_model_matches_torch, candle_model_matches_torch, model);

/// 200 frames are 25 latent columns. The model must pad them and remove the padding.
fn model<B: Backend>(golden: &Golden, ops: &mut B, source: &mut B::Source<'_>) {
    let (mean, std) = (golden.data("in/model.mean").to_vec(), golden.data("in/model.std").to_vec());
    let model = Model::<B>::load(source, golden.config.clone(), mean, std).expect("model");
    let image = images(golden.get("in/model.image")).remove(0);
    let dims = model.latent_dims(image.n_mels, image.frames);
    let [h, w, c] = dims;
    let latent = model.encode(ops, &image).expect("encode");
    golden.assert_equals("model.latent", &[1, h, w, c], &latent);
    let style = model.style_tokens(ops, &images(golden.get("in/64.image"))).expect("style");
    golden.assert_equals("model.tokens", &[1, 1, style.count(), style.dim], &style.tokens);
    golden.assert_equals("model.pooled", &[1, 1, 1, style.dim], &style.pooled);
    let rows = h;
    golden.assert_equals(
        "model.profile",
        &[1, rows, 1, style.profile.len() / rows],
        &style.profile,
    );
    golden.assert_equals(
        "model.instruments",
        &[1, 1, 1, style.instruments.len()],
        &style.instruments,
    );

    let latent = golden.data("out/model.latent");
    let prefix_columns = golden.data("in/model.prefix")[0] as usize;
    let conditionings = [
        Conditioning { content: Some(latent), style: Some(&style), prefix_columns },
        Conditioning { content: Some(latent), style: None, prefix_columns },
        Conditioning { content: None, style: Some(&style), prefix_columns: 0 },
    ];
    let timestep = golden.data("in/model.timestep")[0] as usize;
    let predictions = model
        .denoise(ops, golden.data("in/model.noisy"), dims, timestep, &conditionings)
        .expect("denoise");
    golden.assert_equals(
        "model.predictions",
        &[conditionings.len(), h, w, c],
        &predictions.concat(),
    );
    let decoded = model.decode(ops, latent, dims).expect("decode");
    golden.assert_equals("model.decoded", &[1, decoded.n_mels, decoded.frames, 1], &decoded.data);
}

fn images(array: &Array) -> Vec<MelImage> {
    let (n_mels, frames) = (array.shape[1], array.shape[2]);
    let image = |data: &[f32]| MelImage { n_mels, frames, data: data.to_vec() };
    array.data.chunks_exact(n_mels * frames).map(image).collect()
}

/// `sum(output * probe)` of the decoded image, the prediction and the instrument logits of the
/// 64-frame windows.
fn probed_loss(golden: &Golden, weights: &mut ParamStore) -> Tensor {
    let mut ops = Candle::new(Device::Cpu);
    let autoencoder = Autoencoder::<Candle>::load(&mut &mut *weights, &golden.config.autoencoder)
        .expect("autoencoder");
    let denoiser = Denoiser::<Candle>::load(&mut &mut *weights, &golden.config).expect("denoiser");
    let mut input = |name: &str| golden.activation(&mut ops, name);
    let (image, noisy) = (input("in/64.image"), input("in/64.noisy"));
    let (content, mask, profile) =
        (input("in/64.content"), input("in/64.mask"), input("out/64.profile"));
    let probes = ["decoded", "prediction", "logits"].map(|name| input(&format!("in/probe.{name}")));
    let timestep = embedded_timesteps(golden, &mut ops, 64);

    let latent = autoencoder.encoder.forward(&mut ops, &image).expect("encoder");
    let decoded = autoencoder.decoder.forward(&mut ops, &latent).expect("decoder");
    let style = denoiser.style.forward(&mut ops, &image).expect("style encoder");
    let read = denoiser
        .unet
        .precompute_style(&mut ops, &style.tokens, &style.pooled, Some(&profile))
        .expect("read");
    let conditions =
        Conditions { content: &content, mask: &mask, timestep: &timestep, style: &read };
    let prediction = denoiser.unet.forward(&mut ops, &noisy, &conditions).expect("unet");
    let probed = [decoded, prediction, style.logits]
        .into_iter()
        .zip(&probes)
        .map(|(x, probe)| x.mul(probe).and_then(|x| x.sum_all()).expect("probed"));
    probed.reduce(|a, b| a.add(&b).expect("sum")).expect("three outputs")
}

#[test]
fn candle_gradients_match_torch() {
    let golden = Golden::read();
    let mut weights = golden.weights();
    let gradients = probed_loss(&golden, &mut weights).backward().expect("backward");
    let summaries =
        golden.names("grad/sum/").map(|name| golden.data(&format!("grad/sum/{name}"))[0]);
    let floor = NO_GRADIENT * largest(summaries);
    let mut worst = (0.0, String::new());
    for (name, var) in weights.variables() {
        let gradient = gradients.get(&var).unwrap_or_else(|| panic!("{name} has no gradient"));
        let (shape, ours) = weights.export_as(&name, gradient).expect("gradient");
        let weight = golden.get(&format!("weight/{name}"));
        assert_eq!(shape, weight.shape, "{name}: shape");
        let &[length, along] = golden.data(&format!("grad/sum/{name}")) else {
            panic!("{name}: two numbers")
        };
        let mut differences =
            vec![norm(&ours) - length, (dot(&ours, &weight.data) - along) / norm(&weight.data)];
        if let Some(whole) = golden.arrays.get(&format!("grad/whole/{name}")) {
            assert!(length > floor, "{name}: a gradient above zero");
            differences
                .push(norm(&ours.iter().zip(&whole.data).map(|(a, b)| a - b).collect::<Vec<_>>()));
        }
        let difference = largest(differences.into_iter());
        assert!(
            difference <= GRADIENT_TOLERANCE * length + floor,
            "{name}: difference {difference}, torch's norm {length}"
        );
        if length > floor && difference / length > worst.0 {
            worst = (difference / length, name);
        }
    }
    println!("largest difference of a gradient: {:.1e} of its norm, {}", worst.0, worst.1);
}

/// A checkpoint of torch's modules contains exactly our weights, by name and shape.
#[test]
fn the_state_dict_matches_torch() {
    let golden = Golden::read();
    let mut fresh = ParamStore::new(&Device::Cpu, 1);
    let c = golden.config.autoencoder.latent_channels;
    Model::<Candle>::load(&mut &mut fresh, golden.config.clone(), vec![0.0; c], vec![1.0; c])
        .expect("model");
    let ours: Vec<_> = fresh
        .export()
        .expect("weights")
        .into_iter()
        .map(|(name, (shape, _))| (name, shape))
        .collect();
    let torchs: Vec<_> = golden
        .names("weight/")
        .map(|name| (name.to_string(), golden.get(&format!("weight/{name}")).shape.clone()))
        .collect();
    assert_eq!(ours, torchs);
    let whole = golden.names("grad/whole/").count();
    assert!(whole >= 30, "{whole} whole gradients");
}
