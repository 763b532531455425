//! `trainer ablate` with a recipe and one change of it.

mod tiny;
mod toy;

use std::path::{Path, PathBuf};

use engine::checkpoint::Checkpoint;
use serde_json::Value;
use tiny::CONFIG;
use toy::Toy;
use trainer::ablation::{self, Args};
use trainer::data::dataset::Split;
use trainer::train::{self, DeviceKind, Model};

const JUDGE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/classifier.safetensors");
const SMALL: [&str; 5] =
    ["batch=2", "validation_items=2", "every.panels=0", "every.validate=0", "every.checkpoint=0"];
const ROWS: &str = r#"
[[row]]
folder = "whole"
title = "the recipe"

[[row]]
folder = "regressor"
title = "one step only"
changes = ["diffusion.terminal_share=1.0"]
"#;

/// Trains a tiny autoencoder on the dataset in `folder`.
fn autoencoder(folder: &Path, data: &Path) -> PathBuf {
    let out = folder.join("autoencoder");
    let args = train::Args {
        overrides: SMALL.iter().copied().chain(["steps=2"]).map(String::from).collect(),
        ..tiny::training(Model::Autoencoder, data, &out)
    };
    train::run(args).unwrap();
    out.join("last.safetensors")
}

fn args(folder: &Path) -> Args {
    let sides = [[Split::Train; 2], [Split::Validation; 2], [Split::Test; 2]].concat();
    let (_, data) =
        toy::rendered(folder, &Toy { splits: &sides, setups: 1, max_chunks: 2, ..Toy::default() });
    let rows = folder.join("rows.toml");
    std::fs::write(&rows, ROWS).unwrap();
    Args {
        rows,
        config: Some(CONFIG.into()),
        init: autoencoder(folder, &data),
        autoencoder: Some(CONFIG.into()),
        unseen: Some(data.clone()),
        data,
        classifier: JUDGE.into(),
        items: 3,
        out: folder.join("ablation"),
        device: DeviceKind::Cpu,
        overrides: SMALL.iter().copied().chain(["steps=3"]).map(String::from).collect(),
    }
}

#[test]
fn each_row_is_trained_and_evaluated_once_and_compared_with_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let args = args(folder.path());
    ablation::run(&args).unwrap();
    let read = |name: &str| std::fs::read_to_string(args.out.join(name)).unwrap();
    let text = read("ablation.md");
    assert_eq!(text.matches("| the recipe |").count(), 2, "one table a set:\n{text}");
    assert_eq!(text.matches("| one step only |").count(), 2, "{text}");
    let figures: Value = serde_json::from_str(&read("ablation.json")).unwrap();
    let rows = &figures[0]["rows"];
    assert_eq!(
        rows[0]["figures"][0]["LSD / first row's"]["interval"],
        serde_json::json!([1.0, 1.0])
    );
    let regressor = rows[1]["figures"][0]["LSD / first row's"]["ratio"].as_f64().unwrap();
    assert!(regressor.is_finite() && regressor != 1.0, "other weights: {regressor}");

    // A second run does not repeat any work. A new row is added to the table.
    let state = std::fs::metadata(args.out.join("whole/judged.json")).unwrap().modified().unwrap();
    let more = format!(
        "{ROWS}\n[[row]]\nfolder = \"seed-2\"\ntitle = \"other seed\"\nchanges = [\"seed=2\"]\n"
    );
    std::fs::write(&args.rows, more).unwrap();
    ablation::run(&args).unwrap();
    assert_eq!(
        state,
        std::fs::metadata(args.out.join("whole/judged.json")).unwrap().modified().unwrap()
    );
    assert!(read("ablation.md").starts_with(text.split("| one step only |").next().unwrap()));
    assert_eq!(read("ablation.md").matches("| other seed |").count(), 2);
}

#[test]
fn a_row_that_changes_the_autoencoder_trains_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let mut args = args(folder.path());
    args.unseen = None;
    let changes: Vec<&str> =
        SMALL.into_iter().chain(["steps=2", "model.autoencoder.channels=[8,16,16,16]"]).collect();
    let row = format!(
        "[[row]]\nfolder = \"deeper\"\ntitle = \"a quarter of the positions\"\n\
         autoencoder = {changes:?}\n"
    );
    std::fs::write(&args.rows, format!("{ROWS}\n{row}")).unwrap();
    let without = Args { autoencoder: None, ..args.clone() };
    let message = format!("{:#}", ablation::run(&without).unwrap_err());
    assert!(message.contains("deeper") && message.contains("--autoencoder"), "{message}");
    assert!(!args.out.exists(), "no training started");

    ablation::run(&args).unwrap();
    let read = |file: &str| Checkpoint::read(args.out.join(file)).unwrap();
    let [own, deeper, shared] = [
        "deeper/autoencoder/last.safetensors",
        "deeper/last.safetensors",
        "whole/last.safetensors",
    ]
    .map(read);
    assert_eq!(deeper.model_config().unwrap().autoencoder.reduction(), 16);
    assert_eq!(shared.model_config().unwrap().autoencoder.reduction(), 8);
    for (name, tensor) in &own.tensors {
        assert_eq!(deeper.tensors[name], *tensor, "{name}");
    }
    let text = std::fs::read_to_string(args.out.join("ablation.md")).unwrap();
    assert_eq!(text.matches("| a quarter of the positions |").count(), 1, "{text}");

    // In a moved folder no work is repeated, and only missing files are trained again. Another
    // autoencoder config is another row.
    let out = folder.path().join("moved");
    std::fs::rename(&args.out, &out).unwrap();
    let args = Args { out, ..args };
    let written = |file: &str| std::fs::metadata(args.out.join(file)).unwrap().modified().unwrap();
    let files = ["deeper/autoencoder/last.safetensors", "deeper/judged.json"];
    let before = files.map(written);
    ablation::run(&args).unwrap();
    assert_eq!(files.map(written), before);
    for file in ["state.safetensors", "last.safetensors"] {
        std::fs::remove_file(args.out.join("deeper").join(file)).unwrap();
    }
    ablation::run(&args).unwrap();
    assert_eq!(
        files.map(written),
        before,
        "the autoencoder is not trained again, and an equal seed computes an equal model"
    );
    std::fs::write(&args.rows, format!("{ROWS}\n{}", row.replace("steps=2", "steps=3"))).unwrap();
    let message = format!("{:#}", ablation::run(&args).unwrap_err());
    assert!(message.contains("autoencoder") && message.contains("steps"), "{message}");
}

#[test]
fn a_folder_with_the_run_of_another_row_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut args = args(folder.path());
    args.unseen = None;
    std::fs::write(&args.rows, ROWS.split("[[row]]").take(2).collect::<Vec<_>>().join("[[row]]"))
        .unwrap();
    ablation::run(&args).unwrap();
    for change in
        ["loss.label=0.5", "model.unet.profile_channels=0", "model.diffusion.train_timesteps=500"]
    {
        let other =
            Args { overrides: [&args.overrides[..], &[change.into()]].concat(), ..args.clone() };
        let message = format!("{:#}", ablation::run(&other).unwrap_err());
        let field = change.split('=').next().unwrap();
        assert!(
            message.contains("another --out") && message.contains(field),
            "{change}: {message}"
        );
    }
}

#[test]
fn errors_of_any_row_or_the_judge_are_reported_before_training() {
    let folder = tempfile::tempdir().unwrap();
    let good = args(folder.path());
    std::fs::write(&good.rows, ROWS.replace("terminal_share", "terminal_shore")).unwrap();
    let message = format!("{:#}", ablation::run(&good).unwrap_err());
    assert!(message.contains("regressor") && message.contains("terminal_shore"), "{message}");
    for (change, word) in [
        ("loss.style=0.1", "loss.style"),
        ("loss.style=0.1\", \"feature_network='missing'", "missing"),
    ] {
        std::fs::write(&good.rows, ROWS.replace("diffusion.terminal_share=1.0", change)).unwrap();
        let message = format!("{:#}", ablation::run(&good).unwrap_err());
        assert!(message.contains("regressor") && message.contains(word), "{message}");
    }
    std::fs::write(&good.rows, ROWS).unwrap();
    let nowhere = folder.path().join("nowhere");
    for args in [
        Args { classifier: nowhere.clone(), ..good.clone() },
        Args { unseen: Some(nowhere), ..good.clone() },
    ] {
        let message = format!("{:#}", ablation::run(&args).unwrap_err());
        assert!(message.contains("nowhere"), "{message}");
    }
    assert!(!good.out.exists(), "no training started");
}
