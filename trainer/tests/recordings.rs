//! `trainer build-dataset` with generated recordings: datasets, pairs and models.

mod tiny;
mod toy;

use std::collections::{BTreeMap, HashSet};
use std::f32::consts::TAU;
use std::path::{Path, PathBuf};

use engine::audio_file::{Audio, SampleFormat, encode};
use engine::checkpoint::Checkpoint;
use toy::Toy;
use trainer::data::dataset::{ImageSet, SpectrogramDataset, Split};
use trainer::data::random;
use trainer::data::recordings::build::{self, Args};
use trainer::data::recordings::chunk_image::Reference;
use trainer::data::recordings::dataset::RecordingDataset;
use trainer::data::recordings::label_pairs;
use trainer::data::recordings::unpaired::UnpairedDataset;
use trainer::train::{self, Model};

const SPLITS: [Split; 3] = [Split::Train, Split::Validation, Split::Test];

/// Writes a recording of notes of 0.6 s with `partials` partials. It starts and ends with silence.
fn record(path: &Path, partials: usize, first_hz: f32, seconds: f32) {
    let rate_hz = 22_050;
    let sample = |n: usize| {
        let t = n as f32 / rate_hz as f32;
        let hz = first_hz * (1.0 + (t / 0.6).floor() % 5.0 * 0.2);
        let tone: f32 = (1..=partials).map(|h| (TAU * hz * h as f32 * t).sin() / h as f32).sum();
        if t < 0.5 || t > seconds - 0.5 { 0.0 } else { 0.2 * tone * (-3.0 * (t % 0.6)).exp() }
    };
    let samples = (0..(seconds * rate_hz as f32) as usize).map(sample).collect();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    encode(path, &Audio { sample_rate_hz: rate_hz, channels: vec![samples] }, SampleFormat::Int24)
        .unwrap();
}

/// `count` recordings of each of three instruments, with two or three chunks each.
fn collection(folder: &Path, count: usize) -> Args {
    for (instrument, partials) in [("flute", 1), ("harp", 4), ("organ", 12)] {
        for take in 0..count {
            let path = folder.join("recordings").join(instrument).join(format!("take_{take}.wav"));
            record(&path, partials, 200.0 + 17.0 * take as f32, if take == 0 { 8.0 } else { 6.0 });
        }
    }
    Args {
        folder: folder.join("recordings"),
        out: folder.join("dataset"),
        reference: Reference::StreamLevel,
        minutes: 30.0,
        pairs: 60,
        seed: 1,
    }
}

/// All files of a dataset with their bytes.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => all.extend(
                files(&entry.path())
                    .into_iter()
                    .map(|(p, b)| (Path::new(&entry.file_name()).join(p), b)),
            ),
            false => {
                drop(all.insert(entry.file_name().into(), std::fs::read(entry.path()).unwrap()))
            }
        }
    }
    all
}

#[test]
fn no_recording_is_on_two_sides() {
    let folder = tempfile::tempdir().unwrap();
    let args = collection(folder.path(), 5);
    build::run(&args).unwrap();
    let data = RecordingDataset::open(&args.out).unwrap();
    let sides = SPLITS.map(|s| data.images(s).iter().map(|at| at.piece).collect::<HashSet<_>>());
    assert_eq!(sides.iter().map(HashSet::len).collect::<Vec<_>>(), [9, 3, 3]);
    assert_eq!(sides.iter().flatten().collect::<HashSet<_>>().len(), 15);
    for (split, recordings) in SPLITS.into_iter().zip(&sides) {
        let pairs = label_pairs::read(&data, &label_pairs::path(&args.out, split)).unwrap();
        assert_eq!(pairs.len(), 60);
        for (first, second) in pairs {
            assert!(
                recordings.contains(&first.piece) && recordings.contains(&second.piece),
                "{split:?}"
            );
            assert!(data.sounds(first) && data.sounds(second));
        }
    }
}

#[test]
fn pairs_are_balanced_and_name_images_as_the_reports_do() {
    let folder = tempfile::tempdir().unwrap();
    let args = collection(folder.path(), 5);
    build::run(&args).unwrap();
    let data = RecordingDataset::open(&args.out).unwrap();
    let text = std::fs::read_to_string(label_pairs::path(&args.out, Split::Train)).unwrap();
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    let pairs = label_pairs::read(&data, &label_pairs::path(&args.out, Split::Train)).unwrap();
    for (line, (first, _)) in text.lines().zip(&pairs) {
        let [label1, idx1, label2, idx2] = line.split(',').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        *counts.entry((label1.into(), label2.into())).or_default() += 1;
        assert!(idx2.parse::<usize>().is_ok());
        // The index numbers the images of a folder by name.
        let mut names: Vec<_> = files(&args.out.join(label1)).into_keys().collect();
        names.sort();
        let recording = &data.description.recordings[first.piece];
        let name = &names[idx1.parse::<usize>().unwrap()];
        assert_eq!(args.out.join(label1).join(name), recording.image_path(&args.out, first.chunk));
    }
    assert_eq!(counts.len(), 6, "every ordered pair of two instruments");
    assert!(counts.values().all(|count| *count == 10), "{counts:?}");
    std::fs::write(args.out.join("bad.csv"), "harp,0,flute,0\nharp,0,kazoo,0\n").unwrap();
    let bad = label_pairs::read(&data, &args.out.join("bad.csv")).unwrap_err().to_string();
    assert!(bad.contains("line 2") && bad.contains("kazoo"), "{bad}");
}

#[test]
fn a_dataset_depends_on_recordings_and_settings_alone() {
    let folder = tempfile::tempdir().unwrap();
    let args = collection(folder.path(), 2);
    let build_with = |threads: usize, out: &str| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let args = Args { out: folder.path().join(out), ..args.clone() };
        pool.install(|| build::run(&args).unwrap());
        files(&args.out)
    };
    let (one, three) = (build_with(1, "one"), build_with(3, "three"));
    assert_eq!(one.keys().collect::<Vec<_>>(), three.keys().collect::<Vec<_>>());
    assert!(one == three);
    assert!(one.contains_key(Path::new("harp/take_0_2.png")), "{:?}", one.keys());
}

#[test]
fn a_stopped_build_goes_on_and_another_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let args = collection(folder.path(), 2);
    let summary = build::run(&args).unwrap();
    assert_eq!((summary.built, summary.kept, summary.skipped.len()), (6, 0, 0));
    let whole = files(&args.out);
    // The state after an interrupted run: no splits, one recording without an entry, and one
    // without an image.
    let path = args.out.join("dataset.json");
    let mut description: serde_json::Value =
        serde_json::from_slice(&whole[Path::new("dataset.json")]).unwrap();
    let recordings = description["recordings"].as_array_mut().unwrap();
    recordings.remove(1);
    recordings.iter_mut().for_each(|r| r["split"] = serde_json::Value::Null);
    std::fs::write(&path, description.to_string()).unwrap();
    std::fs::remove_file(args.out.join("organ/take_1_0.png")).unwrap();
    let refused = RecordingDataset::open(&args.out).err().unwrap().to_string();
    assert!(refused.contains("trainer build-dataset"), "{refused}");
    let summary = build::run(&args).unwrap();
    assert_eq!((summary.built, summary.kept), (2, 4));
    assert!(files(&args.out) == whole);
    let other = build::run(&Args { reference: Reference::ChunkMax, ..args.clone() })
        .unwrap_err()
        .to_string();
    assert!(other.contains("reference") && other.contains("another --out"), "{other}");
    let rendered = SpectrogramDataset::open(&args.out).err().unwrap().to_string();
    assert!(rendered.contains("trainer render"), "{rendered}");
    std::fs::write(&path, "{\"format\": 1}").unwrap();
    assert!(build::run(&args).unwrap_err().to_string().contains("trainer build-dataset"));
}

#[test]
fn what_is_added_joins_and_moves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let args = collection(folder.path(), 3);
    build::run(&args).unwrap();
    let before = RecordingDataset::open(&args.out).unwrap().description;
    record(&args.folder.join("harp/a_new_take.wav"), 4, 300.0, 6.0);
    let summary = build::run(&args).unwrap();
    assert_eq!((summary.built, summary.kept), (1, 9));
    let after = RecordingDataset::open(&args.out).unwrap().description;
    assert!(before.recordings.iter().all(|r| after.recordings.contains(r)));
    assert_eq!(after.recordings.len(), 10);
}

#[test]
fn a_renamed_recording_keeps_its_side_and_a_changed_one_of_equal_length_is_built_anew() {
    let folder = tempfile::tempdir().unwrap();
    let args = collection(folder.path(), 3);
    build::run(&args).unwrap();
    let side = |name: &str| {
        let all = RecordingDataset::open(&args.out).unwrap().description.recordings;
        all.into_iter().find(|r| r.instrument == "harp" && r.name == name).map(|r| r.split)
    };
    let file = |name: &str| args.folder.join("harp").join(name);
    let before = [0, 1, 2].map(|take| side(&format!("take_{take}")).unwrap());
    // Three different recordings, because a random split is unlikely to be right three times.
    for (take, before) in before.into_iter().enumerate() {
        std::fs::rename(file(&format!("take_{take}.wav")), file(&format!("other_{take}.wav")))
            .unwrap();
        let summary = build::run(&args).unwrap();
        assert_eq!((summary.built, summary.kept, summary.removed.len()), (1, 8, 0));
        assert_eq!(side(&format!("other_{take}")), Some(before));
        assert_eq!(side(&format!("take_{take}")), None, "one recording is there once");
        assert!(!args.out.join(format!("harp/take_{take}_0.png")).exists());
    }
    let image = || std::fs::read(args.out.join("harp/other_1_0.png")).unwrap();
    let (old, bytes) = (image(), std::fs::metadata(file("other_1.wav")).unwrap().len());
    record(&file("other_1.wav"), 2, 260.0, 6.0);
    assert_eq!(std::fs::metadata(file("other_1.wav")).unwrap().len(), bytes);
    assert_eq!(build::run(&args).unwrap().built, 1);
    assert!(image() != old && side("other_1") == Some(before[1]));
    std::fs::remove_file(file("other_2.wav")).unwrap();
    let summary = build::run(&args).unwrap();
    assert_eq!(summary.removed, ["harp/other_2.wav"]);
    assert!(summary.lines().last().unwrap().contains("harp/other_2.wav"));
}

#[test]
fn files_that_cannot_be_used_are_named_and_the_rest_is_built() {
    let folder = tempfile::tempdir().unwrap();
    let args = collection(folder.path(), 2);
    std::fs::write(args.folder.join("harp/noise.mp3"), [7u8; 5000]).unwrap();
    let silence = Audio { sample_rate_hz: 44_100, channels: vec![vec![1e-4; 80_000]; 2] };
    encode(args.folder.join("organ/pause.flac"), &silence, SampleFormat::Int24).unwrap();
    let cut = std::fs::read(args.folder.join("flute/take_0.wav")).unwrap();
    std::fs::write(args.folder.join("flute/cut.wav"), &cut[..cut.len() / 2]).unwrap();
    let summary = build::run(&args).unwrap();
    assert_eq!((summary.built, summary.skipped.len(), summary.warnings.len()), (7, 2, 1));
    let lines = summary.lines().join("\n");
    for words in [
        "flute/cut.wav: the header promises",
        "skipped harp/noise.mp3: expected",
        "organ/pause.flac",
        "silence",
    ] {
        assert!(lines.contains(words), "{words} in {lines}");
    }
    assert_eq!(RecordingDataset::open(&args.out).unwrap().description.skipped, summary.skipped);
    let minutes = build::run(&Args { minutes: 0.0, ..args }).unwrap_err().to_string();
    assert!(minutes.contains("--minutes"), "{minutes}");
}

#[test]
fn a_long_recording_is_used_in_part() {
    let folder = tempfile::tempdir().unwrap();
    let args =
        Args { minutes: 0.06, reference: Reference::ChunkMax, ..collection(folder.path(), 1) };
    build::run(&args).unwrap();
    let data = RecordingDataset::open(&args.out).unwrap();
    for recording in &data.description.recordings {
        assert_eq!(recording.chunks, 2, "3.6 s: the chunks that begin within them");
        assert!((recording.duration_s - 8.0).abs() < 1e-3);
        let [start_s, end_s] = recording.sounding_samples.map(|n| n as f64 / 22_050.0);
        assert!((start_s - 0.5).abs() < 0.1 && end_s < 7.6, "{start_s} to {end_s} s");
    }
    // The maximum of every chunk is its brightest pixel. It is in the crop or in the two frames
    // that are cut off.
    let bright = |at: &_| data.image(*at).iter().max().copied() > Some(240);
    assert!(data.images(Split::Train).iter().all(bright));
}

#[test]
fn every_model_trains_on_recordings() {
    let folder = tempfile::tempdir().unwrap();
    let args = collection(folder.path(), 3);
    build::run(&args).unwrap();
    assert_eq!(
        trainer::data::open_dataset(&args.out).unwrap().instruments(),
        ["flute", "harp", "organ"]
    );
    let train = |model, name: &str, init: Option<PathBuf>, overrides: &[&str]| {
        let overrides = overrides.iter().map(ToString::to_string).collect();
        let run = tiny::training(model, &args.out, &folder.path().join(name));
        train::run(train::Args { init, overrides, ..run })
            .unwrap_or_else(|error| panic!("{error:#}"))
    };
    let autoencoder = train(Model::Autoencoder, "autoencoder", None, &["steps=15"]).metrics;
    assert!(autoencoder["mse"].as_f64().unwrap() < 0.01, "{autoencoder}");
    let classifier =
        train(Model::Classifier, "classifier", None, &["steps=200", "batch=8"]).metrics;
    assert!(classifier["accuracy"].as_f64().unwrap() > 0.8, "{classifier}");
    let file = folder.path().join("autoencoder/last.safetensors");
    let ldm = train(Model::Ldm, "ldm", Some(file), &["steps=40"]).metrics;
    let lines = std::fs::read_to_string(folder.path().join("ldm/log.jsonl")).unwrap();
    let losses: Vec<f64> = lines
        .lines()
        .filter_map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["terms"]["diffusion"].as_f64()
        })
        .collect();
    assert!(losses.last().unwrap() < &losses[0], "{losses:?}");
    assert!(ldm["lsd_ratio_one_step"].as_f64().unwrap().is_finite(), "{ldm}");
}

#[test]
fn the_ldm_trains_on_rendered_pieces_and_recordings_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let recordings = collection(folder.path(), 3);
    build::run(&recordings).unwrap();
    let splits = [&[Split::Train; 6][..], &[Split::Validation; 4]].concat();
    let (_, data) = toy::rendered(folder.path(), &Toy { splits: &splits, ..Toy::default() });
    let train = |model, name: &str, init: Option<&Path>, steps: u64, resume| {
        let overrides = [
            format!("steps={steps}"),
            format!("diffusion.extra_datasets={:?}", [recordings.out.display().to_string()]),
            "every.panels=0".into(),
        ];
        let out = folder.path().join(name);
        let (init, overrides) = (init.map(Path::to_path_buf), overrides.to_vec());
        train::run(train::Args { init, resume, overrides, ..tiny::training(model, &data, &out) })
            .unwrap_or_else(|error| panic!("{error:#}"));
        out.join("last.safetensors")
    };
    let autoencoder = train(Model::Autoencoder, "autoencoder", None, 1, false);
    let whole = train(Model::Ldm, "whole", Some(&autoencoder), 6, false);
    train(Model::Ldm, "halves", Some(&autoencoder), 3, false);
    let halves = train(Model::Ldm, "halves", Some(&autoencoder), 6, true);
    record(&recordings.folder.join("organ/later.wav"), 12, 330.0, 6.0);
    build::run(&recordings).unwrap();
    let run = tiny::training(Model::Ldm, &data, &folder.path().join("halves"));
    let other =
        train::run(train::Args { resume: true, data: None, config: None, ..run }).unwrap_err();
    assert!(
        format!("{other:#}").contains("dataset of the original run"),
        "a resumed run needs the same data: {other:#}"
    );
    let [whole, halves] = [whole, halves].map(|path| Checkpoint::read(&path).unwrap());
    assert_eq!(whole.tensors, halves.tensors, "a resumed run draws what it would have drawn");
    let named = whole.model_config().unwrap().style.instruments;
    assert_eq!(named, ["piano", "guitar", "harp", "violin", "flute", "organ"]);
    assert_eq!(whole.provenance["datasets"][0]["soundfonts"][0]["file"], "toy.sf2");
    assert_eq!(whole.provenance["datasets"][1]["recordings"]["count"], 9);
    let run = &whole.provenance["ldm"]["run"]["diffusion"];
    assert_eq!(run["extra_datasets"][0], "dataset", "a name and no path");
}

#[test]
fn unpaired_examples_are_a_chunk_with_another_timbre_and_another_chunk_of_its_recording() {
    let folder = tempfile::tempdir().unwrap();
    let args = collection(folder.path(), 3);
    build::run(&args).unwrap();
    let data = RecordingDataset::open(&args.out).unwrap();
    let mut targets = [0; 3];
    for split in SPLITS {
        let examples = UnpairedDataset::new(&data, split).unwrap();
        let rng = &mut random::stream(3, "test", 0);
        for _ in 0..100 {
            let pair = examples.sample(rng);
            assert!(pair.content == pair.target && pair.timbre_seed.is_some());
            assert!(pair.style.piece == pair.target.piece && pair.style != pair.target);
            assert_eq!(data.description.recordings[pair.target.piece].split, Some(split));
            targets[pair.target.instrument] += 1;
        }
    }
    assert!(targets.iter().all(|count| (70..=130).contains(count)), "{targets:?}");
}
