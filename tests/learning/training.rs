//! Complete runs of `trainer train` on a tiny dataset, in seconds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::Device;
use engine::checkpoint::{Checkpoint, Precision, StoredTensor};
use engine::diffusion::ddim::DdimSampler;
use engine::diffusion::forward::ForwardDiffusion;
use engine::diffusion::noise;
use engine::image::MelImage;
use engine::models::model::{Conditioning, Model};
use engine::nn::candle::{Candle, ParamStore};
use engine::settings::Settings;
use trainer::classifier::Judge;
use trainer::data::dataset::{ImageRef, SpectrogramDataset, Split};
use trainer::train::{self, Args, DeviceKind, Model as Trained};
use trainer::train_loop::Summary;
use trainer::train_loop::folder::Folder;

use crate::fixture;

fn arguments(model: Trained, data: &Path, out: &Path, overrides: &[&str]) -> Args {
    Args {
        config: Some(PathBuf::from(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../trainer/configs/tiny.toml"
        ))),
        overrides: overrides.iter().map(ToString::to_string).collect(),
        ..Args::new(model, data, out)
    }
}

fn run(args: Args) -> Summary {
    train::run(args).unwrap_or_else(|error| panic!("{error:#}"))
}

/// A temporary folder with a dataset.
fn workspace() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    fixture::write(&data);
    (folder, data)
}

/// All tensors of a run's state by name.
fn state(run: &Path) -> BTreeMap<String, Vec<f32>> {
    let file = run.join("state.safetensors");
    let tensors = candle_core::safetensors::load(file, &Device::Cpu).expect("state");
    tensors
        .into_iter()
        .map(|(name, t)| (name, t.flatten_all().unwrap().to_vec1::<f32>().unwrap()))
        .collect()
}

#[test]
fn a_classifier_learns_the_instruments_and_classifies_unseen_pieces() {
    let (folder, data) = workspace();
    let out = folder.path().join("run");
    let summary = run(arguments(
        Trained::Classifier,
        &data,
        &out,
        &["steps=150", "batch=16", "validation_items=32"],
    ));
    assert!(summary.metrics["accuracy"].as_f64().expect("accuracy") > 0.9, "{}", summary.metrics);

    let dataset = SpectrogramDataset::open(&data).expect("dataset");
    let mut judge = Judge::read(&out.join("last.safetensors")).expect("judge");
    assert_eq!(judge.instruments(), dataset.description.instruments);
    let unseen = dataset.images(Split::Test);
    let mut right = 0;
    for at in &unseen {
        let mut image = MelImage { n_mels: fixture::SIDE, frames: fixture::SIDE, data: Vec::new() };
        dataset.extend_f32(*at, &mut image.data);
        let probable = judge.image_probabilities(&image).expect("probabilities");
        assert!((probable.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        right += usize::from(probable.iter().all(|p| *p <= probable[at.instrument]));
    }
    assert!(right * 10 >= unseen.len() * 9, "{right} of {}", unseen.len());
}

#[test]
fn a_stopped_classifier_resumes_bit_for_bit() {
    let (folder, data) = workspace();
    let (whole, halves) = (folder.path().join("whole"), folder.path().join("halves"));
    run(arguments(Trained::Classifier, &data, &whole, &[]));
    std::fs::create_dir_all(&halves).expect("folder");
    std::fs::write(halves.join("stop"), "").expect("stop file");
    let stopped = run(arguments(Trained::Classifier, &data, &halves, &[]));
    assert_eq!(stopped.step, 1);
    run(Args { resume: true, config: None, ..arguments(Trained::Classifier, &data, &halves, &[]) });
    assert!(state(&whole) == state(&halves), "weights, moments and averages are equal");
}

/// The tensors of one part of a model file.
fn weights(file: &Path, part: &str) -> BTreeMap<String, StoredTensor> {
    let checkpoint = Checkpoint::read(file).expect("a model file");
    let in_part = |(name, _): &(String, StoredTensor)| name.starts_with(&format!("{part}."));
    checkpoint.tensors.into_iter().filter(in_part).collect()
}

#[test]
fn autoencoder_then_ldm_with_every_loss_and_a_frozen_encoder() {
    let (folder, data) = workspace();
    let run_folder = |name: &str| folder.path().join(name);
    let (classifier, autoencoder, ldm) =
        (run_folder("classifier"), run_folder("autoencoder"), run_folder("ldm"));
    run(arguments(Trained::Classifier, &data, &classifier, &[]));
    let feature_network =
        format!("feature_network={}", classifier.join("last.safetensors").display());
    let with_features = |weight: &'static str| [feature_network.clone(), weight.to_string()];

    let args = arguments(Trained::Autoencoder, &data, &autoencoder, &[]);
    run(Args { overrides: with_features("loss.perceptual=0.01").to_vec(), ..args });
    let trained = autoencoder.join("last.safetensors");
    let args = Args { init: Some(trained.clone()), ..arguments(Trained::Ldm, &data, &ldm, &[]) };
    let summary =
        run(Args { overrides: with_features("loss.style=0.01").to_vec(), ..args.clone() });
    assert!(summary.metrics.is_object());

    for (run, terms) in [(&autoencoder, "mse l1 kl perceptual"), (&ldm, "diffusion label style")] {
        let lines = Folder::new(run).lines().expect("log");
        for term in terms.split(' ') {
            assert!(
                lines.iter().any(|line| line["terms"][term].as_f64().is_some_and(|v| v > 0.0)),
                "{term}"
            );
        }
    }
    assert!(ldm.join("panels-000030.png").is_file() && ldm.join("curves.png").is_file());
    for part in ["encoder", "decoder"] {
        let frozen = weights(&trained, part);
        assert!(
            !frozen.is_empty() && frozen == weights(&ldm.join("last.safetensors"), part),
            "{part} changed"
        );
    }
    for part in ["style", "unet"] {
        assert!(!weights(&ldm.join("last.safetensors"), part).is_empty(), "{part}");
    }
    let without_network =
        Args { overrides: vec!["loss.style=1".into()], out: run_folder("refused"), ..args };
    let refused = format!("{:#}", train::run(without_network).expect_err("no feature network"));
    assert!(refused.contains("loss.style") && refused.contains("feature_network"), "{refused}");
}

#[test]
fn both_feature_losses_work_with_vggish() {
    let (folder, data) = workspace();
    let run_folder = |name: &str| folder.path().join(name);
    let (file, autoencoder, ldm) =
        (run_folder("vggish.safetensors"), run_folder("autoencoder"), run_folder("ldm"));
    tests::vggish::checkpoint().write(&file, Precision::F16).expect("written");
    let network = format!("feature_network={}", file.display());
    let two_steps = ["steps=2", "every.log=1", &network];
    let overrides = |more: &[&'static str]| [&two_steps, more].concat();

    let lpips = overrides(&["loss.perceptual=0.01", "loss.channel_weights=lpips"]);
    run(arguments(Trained::Autoencoder, &data, &autoencoder, &lpips));
    let init = Some(autoencoder.join("last.safetensors"));
    run(Args { init, ..arguments(Trained::Ldm, &data, &ldm, &overrides(&["loss.style=0.01"])) });
    for (run, term) in [(&autoencoder, "perceptual"), (&ldm, "style")] {
        let lines = Folder::new(run).lines().expect("log");
        assert!(
            lines.iter().any(|line| line["terms"][term].as_f64().is_some_and(|v| v > 0.0)),
            "{term}"
        );
    }
    let wrong_network =
        format!("feature_network={}", autoencoder.join("last.safetensors").display());
    let wrong = arguments(
        Trained::Autoencoder,
        &data,
        &run_folder("refused"),
        &["loss.perceptual=1", &wrong_network],
    );
    let refused = format!("{:#}", train::run(wrong).expect_err("not a feature network"));
    assert!(
        refused.contains("feature_network") && refused.contains("`vggish` or `classifier`"),
        "{refused}"
    );
}

#[test]
fn a_run_resumes_from_its_shards_and_only_with_its_own_autoencoder() {
    let (folder, data) = workspace();
    let run_folder = |name: &str| folder.path().join(name);
    let (autoencoder, ldm, elsewhere) =
        (run_folder("autoencoder"), run_folder("ldm"), run_folder("elsewhere"));
    run(arguments(Trained::Autoencoder, &data, &autoencoder, &["steps=2"]));
    let init = autoencoder.join("last.safetensors");
    let args = Args {
        init: Some(init.clone()),
        ..arguments(Trained::Ldm, &data, &ldm, &["steps=2", "shards=true"])
    };
    run(args);
    let resumed = |out: &Path| Args {
        resume: true,
        config: None,
        ..arguments(Trained::Ldm, &data, out, &["steps=4"])
    };

    let other = run_folder("other");
    run(arguments(Trained::Autoencoder, &data, &other, &["steps=2", "seed=9"]));
    let wrong = Args { init: Some(other.join("last.safetensors")), ..resumed(&ldm) };
    let refused = format!("{:#}", train::run(wrong).expect_err("another autoencoder"));
    assert!(refused.contains("init") && refused.contains("original run"), "{refused}");

    std::fs::create_dir_all(&elsewhere).expect("folder");
    std::fs::rename(ldm.join("shards"), elsewhere.join("shards")).expect("moved");
    std::fs::remove_file(&init).expect("removed");
    assert_eq!(run(resumed(&elsewhere)).step, 4);
    let model = Checkpoint::read(elsewhere.join("last.safetensors")).expect("a model");
    assert!(
        model.tensors.keys().any(|name| name.starts_with("encoder.")),
        "the shards contain the autoencoder"
    );
    for file in std::fs::read_dir(elsewhere.join("shards")).expect("shards") {
        assert!(file.expect("a file").metadata().expect("its length").len() <= 15 << 20);
    }
}

#[test]
fn invalid_arguments_are_refused() {
    let (folder, data) = workspace();
    let out = folder.path().join("run");
    let args = |overrides: &[&str]| arguments(Trained::Autoencoder, &data, &out, overrides);
    for minutes in [f64::INFINITY, f64::NAN, -1.0, 1e300] {
        let error = train::run(Args { minutes: Some(minutes), ..args(&[]) }).expect_err("refused");
        assert!(error.to_string().contains("--minutes: expected 0 to"), "{error}");
    }
    for change in ["steps=0", "batch=0", "batch=100000000"] {
        let error = format!("{:#}", train::run(args(&[change])).expect_err("refused"));
        assert!(error.contains(change.split('=').next().expect("a name")), "{error}");
    }
    assert!(!out.exists(), "no training started");
}

/// One DDIM sample of four steps, with the plugin's default noise scale.
fn sample(model: &Model<Candle>, content: &MelImage, style: &MelImage, seed: u64) -> Vec<f32> {
    let mut ops = Candle::new(Device::Cpu);
    let dims @ [h, w, c] = model.latent_dims(content.n_mels, content.frames);
    let content = model.encode(&mut ops, content).expect("encode");
    let tokens = model.style_tokens(&mut ops, std::slice::from_ref(style)).expect("style");
    let forward = ForwardDiffusion::new(&model.config().diffusion).expect("diffusion");
    let sampler = DdimSampler::new(forward.schedule(), forward.prediction(), 4).expect("sampler");
    let mut latent = noise::window(seed, 0, h, w, c);
    noise::scale_noise(&mut latent, Settings::default().temperature);
    let mut denoise = |x_t: &[f32], t: usize| {
        let conditioning =
            Conditioning { content: Some(&content), style: Some(&tokens), prefix_columns: 0 };
        Ok(model.denoise(&mut ops, x_t, dims, t, &[conditioning])?.swap_remove(0))
    };
    sampler.sample(&mut latent, &mut denoise, None).expect("sample");
    model.decode(&mut Candle::new(Device::Cpu), &latent, dims).expect("decode").data
}

#[test]
fn another_style_changes_the_output_more_than_another_seed() {
    let (folder, data) = workspace();
    let run_folder = |name: &str| folder.path().join(name);
    let (autoencoder, ldm) = (run_folder("autoencoder"), run_folder("ldm"));
    run(arguments(Trained::Autoencoder, &data, &autoencoder, &["steps=100"]));
    let init = Some(autoencoder.join("last.safetensors"));
    let overrides = &[
        "steps=300",
        "batch=16",
        "ema_decay=0.95",
        "every.validate=100",
        "schedule.rule=warmup-cosine",
    ];
    run(Args { init, ..arguments(Trained::Ldm, &data, &ldm, overrides) });

    let checkpoint = Checkpoint::read(ldm.join("last.safetensors")).expect("model");
    let (config, latent) = (checkpoint.model_config().expect("config"), checkpoint.latent);
    let mut store = ParamStore::frozen(&Device::Cpu);
    for (name, tensor) in checkpoint.tensors {
        store.insert(name, tensor.shape, tensor.data);
    }
    let model =
        Model::<Candle>::load(&mut &mut store, config, latent.mean, latent.std).expect("networks");
    let dataset = SpectrogramDataset::open(&data).expect("dataset");
    let test = dataset.pieces(Split::Test);
    let image = |piece: usize, instrument: usize, chunk: usize| {
        let mut image = MelImage { n_mels: fixture::SIDE, frames: fixture::SIDE, data: Vec::new() };
        dataset.extend_f32(
            ImageRef { piece, instrument, chunk, ..ImageRef::default() },
            &mut image.data,
        );
        image
    };
    let distance = |a: &[f32], b: &[f32]| {
        (a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>() / a.len() as f64)
            .sqrt()
    };
    let (mut by_style, mut by_seed, mut to_target, mut to_content) = (0.0, 0.0, 0.0, 0.0);
    // All pairs of instruments, because one pair is too noisy after such a short training.
    let every_pair =
        (0..4).flat_map(|from| (0..4).map(move |to| (from, to))).filter(|(from, to)| from != to);
    for (from, to) in every_pair {
        let (chunk, other) = ((from + to) % 4, (to + 1) % 4);
        let (content, target) = (image(test[0], from, chunk), image(test[0], to, chunk).data);
        let out = |instrument: usize, seed: u64| {
            sample(&model, &content, &image(test[1], instrument, chunk), seed)
        };
        let output = out(to, 1);
        by_style += distance(&output, &out(other, 1));
        by_seed += distance(&output, &out(to, 2));
        to_target += distance(&output, &target);
        to_content += distance(&content.data, &target);
    }
    assert!(by_style > 1.5 * by_seed, "style {by_style}, seed {by_seed}");
    assert!(
        to_target < 0.8 * to_content,
        "output to target {to_target}, content to target {to_content}"
    );
}

#[test]
fn a_stopped_ldm_resumes_bit_for_bit() {
    let (folder, data) = workspace();
    let run_folder = |name: &str| folder.path().join(name);
    let autoencoder = run_folder("autoencoder");
    run(arguments(Trained::Autoencoder, &data, &autoencoder, &["steps=2"]));
    let start = |out: &Path| Args {
        init: Some(autoencoder.join("last.safetensors")),
        ..arguments(Trained::Ldm, &data, out, &["steps=6", "diffusion.recolour=0.5"])
    };
    let (whole, halves) = (run_folder("whole"), run_folder("halves"));
    run(start(&whole));
    std::fs::create_dir_all(&halves).expect("folder");
    std::fs::write(halves.join("stop"), "").expect("stop file");
    assert_eq!(run(start(&halves)).step, 1);
    // The resumed run needs neither data nor autoencoder as arguments.
    run(Args { resume: true, config: None, data: None, init: None, ..start(&halves) });
    assert!(state(&whole) == state(&halves), "weights, moments and averages are equal");
}

#[test]
fn invalid_runs_are_refused_with_a_message() {
    let (folder, data) = workspace();
    let out = folder.path().join("run");
    let refused = |args: Args| format!("{:#}", train::run(args).expect_err("refused"));
    let missing = folder.path().join("missing");
    assert!(
        refused(arguments(Trained::Classifier, &missing, &out, &[]))
            .contains("folder of a dataset, found `")
    );
    assert!(refused(arguments(Trained::Classifier, &data, &out, &["bach=2"])).contains("bach"));
    let resumed = Args { resume: true, ..arguments(Trained::Classifier, &data, &out, &[]) };
    assert!(refused(resumed).contains("expected a run to resume"));
    {
        let cuda =
            Args { device: DeviceKind::Cuda, ..arguments(Trained::Classifier, &data, &out, &[]) };
        assert!(refused(cuda).contains("--features cuda"));
    }
    assert!(!out.exists(), "no folder was created");
}
