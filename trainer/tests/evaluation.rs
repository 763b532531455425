//! Evaluation of a model on a rendered dataset.

mod toy;

use std::path::{Path, PathBuf};

use engine::audio_file::Audio;
use engine::dsp::mel::MelFrontEnd;
use engine::image::MelImage;
use serde_json::Value;
use toy::Toy;
use trainer::data::dataset::audio_renderer::AudioRenderer;
use trainer::data::dataset::{ImageRef, SpectrogramDataset, Split};
use trainer::evaluate::eval_args::EvalArgs;
use trainer::evaluate::figures::FIGURES;
use trainer::evaluate::sampling::Sampling;
use trainer::evaluate::transfer::{RowArgs, Session};
use trainer::evaluate::{audio, report};
use trainer::level_free::level_free_distance_db;

fn workspace(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// The shipped model. Prints which test is skipped if it does not exist.
fn shipped_model(test: &str) -> Option<PathBuf> {
    let model = workspace("presets/luthier.safetensors");
    if !model.exists() {
        println!("skipped: {test}: no shipped model in presets/");
        return None;
    }
    Some(model)
}

/// Options for the shipped model and the classifier of the fixtures.
fn eval_args(model: PathBuf) -> EvalArgs {
    EvalArgs {
        model,
        classifier: workspace("tests/fixtures/classifier.safetensors"),
        sampling: Sampling { temperature: 0.0, guidance: 1.0, dynamics: 1.0, seed: 3 },
    }
}

/// Renders a dataset of six expressive test pieces in `data`, with the toy soundfont `toy.sf2`.
fn rendered(folder: &Path) -> (PathBuf, PathBuf) {
    toy::rendered(
        folder,
        &Toy { splits: &[Split::Test; 6], max_chunks: 2, expressive: 1.0, ..Toy::default() },
    )
}

#[test]
fn a_studio_recording_matches_the_image_of_the_dataset() {
    let folder = tempfile::tempdir().unwrap();
    let (soundfont, data) = rendered(folder.path());
    let dataset = SpectrogramDataset::open(&data).unwrap();
    let studio = AudioRenderer::open(&data, &[soundfont]).unwrap();
    let description = &dataset.description;
    for piece in 0..3 {
        // Setup 0 is the plain setup. Every piece has it, because there are only two setups.
        let at = ImageRef { piece, instrument: 1, ..ImageRef::default() };
        let mut expected = Vec::new();
        dataset.extend_f32(at, &mut expected);
        let expected = MelImage { n_mels: 128, frames: description.window.frames, data: expected };
        let score = studio.score(piece, description.shape.window_s + 0.1).unwrap();
        let audio: Audio = studio.record(&score, 0, 1, 0).unwrap().at_rate(22_050).unwrap();
        let channels: Vec<&[f32]> = audio.channels.iter().map(Vec::as_slice).collect();
        let image = MelFrontEnd::new(&description.mel).image(&channels, 0, expected.frames, 1.0);
        let distance_db = level_free_distance_db(&image, &expected, description.mel.range_db);
        assert!(distance_db < 2.0, "piece {piece}: {distance_db} dB");
    }
}

#[test]
fn the_audio_table_has_the_expected_baselines() {
    let Some(model) = shipped_model("the audio table") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (soundfont, data) = rendered(folder.path());
    let json = folder.path().join("tables/table.json");
    let args = audio::Args {
        eval_args: eval_args(model),
        data,
        soundfonts: vec![soundfont],
        split: Split::Test,
        items: 2,
        seconds: 4.0,
        steps: vec![1],
        brief: false,
        baselines: None,
        json: Some(json.clone()),
    };
    audio::run(&args).unwrap();
    let rows: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(&json).unwrap()).unwrap();
    let mean = |name: &str, measure: &str| -> f64 {
        let row =
            rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no row {name}"));
        row["measures"][measure]["mean"].as_f64().unwrap()
    };
    assert_eq!(
        (mean("true target", "LSD"), mean("true target", "JD"), mean("true target", "level")),
        (0.0, 0.0, 0.0)
    );
    assert!(mean("Luthier, 1 step", "louder").abs() <= mean("Luthier, 1 step", "level"));
    assert!((mean("content copy", "chroma") - 1.0).abs() < 1e-6);
    let sampled = "transcribed content on the target's own sampler";
    assert!(mean(sampled, "timbre") < mean("content copy", "timbre") && mean(sampled, "LSD") > 0.0);
    let another_take = mean("true target, another take", "LSD");
    assert!(
        0.0 < another_take && another_take < 0.5 * mean("content copy", "LSD"),
        "{another_take}"
    );
    let ceiling = mean("autoencoder and vocoder on the true target", "LSD");
    assert!(
        ceiling < 0.6 * mean("content copy", "LSD"),
        "{ceiling} of {}",
        mean("content copy", "LSD")
    );
    assert!(mean("Luthier, 1 step", "LSD") > 0.0 && mean("Luthier, Griffin-Lim", "LSD") > 0.0);
    let short = audio::Args { brief: true, json: None, ..args };
    let table = audio::evaluate(&short).unwrap();
    let brief = table.json();
    let omitted = ["Luthier, Balanced", "Luthier, Live", "Luthier, Griffin-Lim"];
    let names = |rows: &[Value]| rows.iter().map(|row| row["name"].to_string()).collect::<Vec<_>>();
    let kept: Vec<Value> = rows
        .iter()
        .filter(|row| !omitted.iter().any(|name| row["name"] == *name))
        .cloned()
        .collect();
    assert_eq!((kept.len(), names(brief.as_array().unwrap())), (rows.len() - 3, names(&kept)));
    // Saved baselines do not change the table.
    let with_saved = audio::Args { baselines: Some(json.clone()), ..short };
    assert_eq!(audio::evaluate(&with_saved).unwrap().markdown(), table.markdown());
    let other = audio::Args { seconds: 3.0, ..with_saved };
    let error = audio::evaluate(&other).err().unwrap().to_string();
    assert!(error.contains("table.json") && error.contains("clips"), "{error}");
}

#[test]
fn tables_do_not_depend_on_the_number_of_threads() {
    let Some(model) = shipped_model("tables on several cores") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (soundfont, data) = rendered(folder.path());
    let eval_args = eval_args(model);
    let session = Session::open(&eval_args, &data).unwrap();
    let clip_args = audio::Args {
        eval_args: eval_args.clone(),
        data,
        soundfonts: vec![soundfont],
        split: Split::Test,
        items: 3,
        seconds: 2.0,
        steps: vec![1],
        brief: false,
        baselines: None,
        json: None,
    };
    let tables = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let rows = RowArgs { steps: vec![1], guidances: Vec::new(), style_windows: vec![2] };
            // One more pair than threads, so that the threads have different amounts of work.
            let evaluation = session.evaluate(Split::Test, 4, &rows, &eval_args.sampling).unwrap();
            assert_eq!(
                (evaluation.table.len(), evaluation.textures.len(), evaluation.examples.len()),
                (4, 4, 4)
            );
            (evaluation.table.json(), audio::evaluate(&clip_args).unwrap().json())
        })
    };
    assert_eq!(tables(1), tables(3));
}

/// Recordings of two instruments with different notes, in folders names after the instruments.
fn two_recordings(folder: &Path) -> PathBuf {
    let recordings = folder.join("recordings");
    for (name, file) in
        [("piano", "presets/demo/piano.flac"), ("violin", "presets/styles/violin.flac")]
    {
        let place = recordings.join(name);
        std::fs::create_dir_all(&place).unwrap();
        std::fs::copy(workspace(file), place.join("take.flac")).unwrap();
    }
    recordings
}

#[test]
fn the_report_contains_every_set_and_states_what_is_missing() {
    let Some(model) = shipped_model("the report") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (soundfont, data) = rendered(folder.path());
    let out = folder.path().join("report");
    let args = report::Args {
        eval_args: eval_args(model),
        data: data.clone(),
        soundfonts: vec![soundfont],
        unseen: Some(data),
        unseen_soundfonts: Vec::new(),
        recordings: Some(two_recordings(folder.path())),
        items: 3,
        clips: 1,
        brief_clips: Some(2),
        seconds: 3.0,
        rows: RowArgs { steps: vec![1, 2], guidances: vec![2.0], style_windows: vec![2] },
        out: out.clone(),
    };
    report::run(&args).unwrap();
    let text = std::fs::read_to_string(out.join("report.md")).unwrap();
    for row in [
        "Luthier, 1 step |",
        "Luthier, 2 steps |",
        "guidance 2 |",
        "style of 2 windows |",
        "| expressive, ",
        "By instrument",
        "Error components",
        "Main settings, training soundfonts",
        "No audio was evaluated",
        "table 3",
    ] {
        assert!(text.contains(row), "{row} in {text}");
    }
    let figures: Value =
        serde_json::from_str(&std::fs::read_to_string(out.join("report.json")).unwrap()).unwrap();
    let images = &figures["sets"][1]["images"];
    let mean =
        |row: usize, measure: &str| images[row]["measures"][measure]["mean"].as_f64().unwrap();
    assert_eq!((mean(0, "LSD"), mean(0, "timbre")), (0.0, 0.0));
    assert!(
        mean(3, "LSD") < 0.5 * mean(1, "LSD"),
        "the reconstructed truth is closer than the content"
    );
    for part in ["audio", "brief_audio"] {
        assert!(figures["sets"][0][part][0]["measures"]["note F1"]["mean"].is_number(), "{part}");
    }
    let recordings = &figures["recordings"];
    let chroma = |row: usize| recordings[row]["measures"]["chroma"]["mean"].as_f64().unwrap();
    assert!(
        (chroma(1) - 1.0).abs() < 1e-6 && chroma(0) < chroma(3),
        "the output has the content's notes"
    );
    let pictures = ["figure-6-transfer.png", "transfer-unseen-soundfont.png"].into_iter();
    for picture in pictures.chain(FIGURES.iter().map(|figure| figure.file)) {
        assert!(text.contains(picture), "{picture} in {text}");
        assert!(out.join(picture).metadata().unwrap().len() > 10_000);
    }
}
