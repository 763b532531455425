//! From a rendered dataset to the table of what a listener gets.

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

/// The shipped model; where there is none, what is skipped for the want of it is said.
fn shipped_model(of: &str) -> Option<PathBuf> {
    let model = workspace("presets/luthier.safetensors");
    if !model.exists() {
        println!("skipped: {of}: no shipped model in presets/");
        return None;
    }
    Some(model)
}

/// The shipped model, as the fixtures' classifier judges it.
fn eval_args(model: PathBuf) -> EvalArgs {
    EvalArgs {
        model,
        classifier: workspace("tests/fixtures/classifier.safetensors"),
        sampling: Sampling { temperature: 0.0, guidance: 1.0, seed: 3 },
    }
}

/// A dataset of six expressive test pieces in `data`, on the toy soundfont `toy.sf2`.
fn rendered(folder: &Path) -> (PathBuf, PathBuf) {
    toy::rendered(
        folder,
        &Toy { splits: &[Split::Test; 6], max_chunks: 2, expressive: 1.0, ..Toy::default() },
    )
}

#[test]
fn a_recording_of_the_studio_looks_like_the_datasets_image() {
    let folder = tempfile::tempdir().unwrap();
    let (soundfont, data) = rendered(folder.path());
    let dataset = SpectrogramDataset::open(&data).unwrap();
    let studio = AudioRenderer::open(&data, &[soundfont]).unwrap();
    let description = &dataset.description;
    for piece in 0..3 {
        // Setup 0 is the plain one; with two in the pool every piece has it.
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
fn the_table_of_a_listener_holds_what_is_known_beforehand() {
    let Some(model) = shipped_model("the table of a listener") else { return };
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
    let of = |name: &str, measure: &str| -> f64 {
        let row =
            rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no row {name}"));
        row["measures"][measure]["mean"].as_f64().unwrap()
    };
    assert_eq!(
        (of("true target", "LSD"), of("true target", "JD"), of("true target", "level")),
        (0.0, 0.0, 0.0)
    );
    assert!(of("Luthier, 1 step", "louder").abs() <= of("Luthier, 1 step", "level"));
    assert!((of("content copy", "chroma") - 1.0).abs() < 1e-6);
    let sampled = "transcribed content on the target's own sampler";
    assert!(of(sampled, "timbre") < of("content copy", "timbre") && of(sampled, "LSD") > 0.0);
    let retaken = of("true target, another take", "LSD");
    assert!(0.0 < retaken && retaken < 0.5 * of("content copy", "LSD"), "{retaken}");
    let ceiling = of("autoencoder and vocoder on the true target", "LSD");
    assert!(
        ceiling < 0.6 * of("content copy", "LSD"),
        "{ceiling} of {}",
        of("content copy", "LSD")
    );
    assert!(of("Luthier, 1 step", "LSD") > 0.0 && of("Luthier, Griffin-Lim", "LSD") > 0.0);
    let short = audio::Args { brief: true, json: None, ..args };
    let table = audio::judge(&short).unwrap();
    let brief = table.json();
    let left_out = ["Luthier, Balanced", "Luthier, Live", "Luthier, Griffin-Lim"];
    let named = |rows: &[Value]| rows.iter().map(|row| row["name"].to_string()).collect::<Vec<_>>();
    let kept: Vec<Value> = rows
        .iter()
        .filter(|row| !left_out.iter().any(|name| row["name"] == *name))
        .cloned()
        .collect();
    assert_eq!((kept.len(), named(brief.as_array().unwrap())), (rows.len() - 3, named(&kept)));
    // With the baselines of the whole table, the same table.
    let known = audio::Args { baselines: Some(json.clone()), ..short };
    assert_eq!(audio::judge(&known).unwrap().markdown(), table.markdown());
    let other = audio::Args { seconds: 3.0, ..known };
    let error = audio::judge(&other).err().unwrap().to_string();
    assert!(error.contains("table.json") && error.contains("clips"), "{error}");
}

#[test]
fn tables_are_the_same_on_one_core_and_on_three() {
    let Some(model) = shipped_model("tables on several cores") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (soundfont, data) = rendered(folder.path());
    let eval_args = eval_args(model);
    let session = Session::open(&eval_args, &data).unwrap();
    let heard = audio::Args {
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
            // One more than the threads: no two of them have equally much to do.
            let seen = session.judge(Split::Test, 4, &rows, &eval_args.sampling).unwrap();
            assert_eq!((seen.table.len(), seen.textures.len(), seen.examples.len()), (4, 4, 4));
            (seen.table.json(), audio::judge(&heard).unwrap().json())
        })
    };
    assert_eq!(tables(1), tables(3));
}

/// Two instruments' recordings, which play different notes, in folders of their names.
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
fn the_report_holds_every_set_and_says_what_it_could_not_hear() {
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
        "2 steps, by instrument,",
        "Where the error lies",
        "Not judged by ear",
        "table 3",
    ] {
        assert!(text.contains(row), "{row} in {text}");
    }
    let figures: Value =
        serde_json::from_str(&std::fs::read_to_string(out.join("report.json")).unwrap()).unwrap();
    let images = &figures["sets"][1]["images"];
    let of = |row: usize, measure: &str| images[row]["measures"][measure]["mean"].as_f64().unwrap();
    assert_eq!((of(0, "LSD"), of(0, "timbre")), (0.0, 0.0));
    assert!(
        of(3, "LSD") < 0.5 * of(1, "LSD"),
        "the autoencoder of the truth is nearer than the content"
    );
    assert!(figures["sets"][0]["audio"][0]["measures"]["note F1"]["mean"].is_number());
    let played = &figures["recordings"];
    let chroma = |row: usize| played[row]["measures"]["chroma"]["mean"].as_f64().unwrap();
    assert!((chroma(1) - 1.0).abs() < 1e-6 && chroma(0) < chroma(3), "the notes are the content's");
    let pictures = ["unseen-pieces.png", "unseen-soundfont.png"].into_iter();
    for picture in pictures.chain(FIGURES.iter().map(|figure| figure.file)) {
        assert!(text.contains(picture), "{picture} in {text}");
        assert!(out.join(picture).metadata().unwrap().len() > 10_000);
    }
}
