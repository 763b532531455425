//! Whole runs of `trainer train` on a tiny dataset, in seconds.

use std::path::{Path, PathBuf};

use engine::image::MelImage;
use trainer::classifier::Judge;
use trainer::data::dataset::SpectrogramDataset;
use trainer::data::description::Split;
use trainer::train::{self, Args, DeviceKind, Model};
use trainer::train_loop::Summary;

use crate::fixture;

fn arguments(model: Model, data: &Path, out: &Path, overrides: &[&str]) -> Args {
    Args {
        model,
        config: Some(PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../trainer/configs/tiny.toml"))),
        data: Some(data.to_path_buf()),
        out: out.to_path_buf(),
        init: None,
        resume: false,
        minutes: None,
        device: DeviceKind::Cpu,
        overrides: overrides.iter().map(ToString::to_string).collect(),
    }
}

fn run(args: Args) -> Summary {
    train::run(args).unwrap_or_else(|error| panic!("{error:#}"))
}

/// A dataset, and room for runs.
fn workspace() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    fixture::write(&data);
    (folder, data)
}

#[test]
fn a_classifier_learns_the_instruments_and_judges_what_it_never_saw() {
    let (folder, data) = workspace();
    let out = folder.path().join("run");
    let summary =
        run(arguments(Model::Classifier, &data, &out, &["steps=150", "batch=16", "validation_items=32"]));
    assert!(summary.metrics["accuracy"].as_f64().expect("accuracy") > 0.9, "{}", summary.metrics);

    let dataset = SpectrogramDataset::open(&data).expect("dataset");
    let mut judge = Judge::read(&out.join("last.safetensors")).expect("judge");
    assert_eq!(judge.instruments(), dataset.description.instruments);
    let unseen = dataset.images(Split::Test);
    let mut right = 0;
    for at in &unseen {
        let mut image = MelImage { n_mels: fixture::SIDE, frames: fixture::SIDE, data: Vec::new() };
        dataset.extend_f32(*at, &mut image.data);
        let probable = judge.judge_image(&image).expect("an answer");
        assert!((probable.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        right += usize::from(probable.iter().all(|p| *p <= probable[at.instrument]));
    }
    assert!(right * 10 >= unseen.len() * 9, "{right} of {}", unseen.len());
}

#[test]
fn a_stopped_classifier_goes_on_bit_for_bit() {
    let (folder, data) = workspace();
    let (whole, halves) = (folder.path().join("whole"), folder.path().join("halves"));
    run(arguments(Model::Classifier, &data, &whole, &[]));
    std::fs::create_dir_all(&halves).expect("folder");
    std::fs::write(halves.join("stop"), "").expect("stop file");
    let stopped = run(arguments(Model::Classifier, &data, &halves, &[]));
    assert_eq!(stopped.step, 1);
    run(Args { resume: true, config: None, ..arguments(Model::Classifier, &data, &halves, &[]) });
    let tensors = |run: &Path| {
        let file = run.join("state.safetensors");
        let tensors = candle_core::safetensors::load(file, &candle_core::Device::Cpu).expect("state");
        let mut tensors: Vec<_> = tensors
            .into_iter()
            .map(|(name, tensor)| (name, tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap()))
            .collect();
        tensors.sort_by(|a, b| a.0.cmp(&b.0));
        tensors
    };
    assert!(tensors(&whole) == tensors(&halves), "weights, moments and average are the same");
}

#[test]
fn what_cannot_be_trained_is_said_in_a_sentence() {
    let (folder, data) = workspace();
    let out = folder.path().join("run");
    let refused = |args: Args| format!("{:#}", train::run(args).expect_err("refused"));
    let nowhere = folder.path().join("nowhere");
    assert!(refused(arguments(Model::Classifier, &nowhere, &out, &[])).contains("rendered dataset"));
    assert!(refused(arguments(Model::Classifier, &data, &out, &["bach=2"])).contains("bach"));
    let resumed = Args { resume: true, ..arguments(Model::Classifier, &data, &out, &[]) };
    assert!(refused(resumed).contains("expected a run to resume"));
    {
        let cuda = Args { device: DeviceKind::Cuda, ..arguments(Model::Classifier, &data, &out, &[]) };
        assert!(refused(cuda).contains("--features cuda"));
    }
    assert!(!out.exists(), "nothing is left behind");
}
