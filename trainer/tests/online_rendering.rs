//! Online rendering: which images change, and that a resumed run uses equal images.

mod tiny;
mod toy;

use std::path::{Path, PathBuf};

use engine::checkpoint::Checkpoint;
use toy::Toy;
use trainer::data::dataset::description::{DESCRIPTION_FILE, Description};
use trainer::data::dataset::online_rendering::OnlineRendering;
use trainer::data::dataset::{ImageRef, SpectrogramDataset, Split};
use trainer::train::{self, Model};

/// Steps between new setups.
const EVERY: u64 = 2;
/// Model file of a classifier.
const JUDGE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/classifier.safetensors");

/// Eight pieces in three setups. The first setup is plain; the last two pieces are for validation.
fn rendered(folder: &Path) -> (PathBuf, PathBuf) {
    let sides = [&[Split::Train; 6][..], &[Split::Validation; 2]].concat();
    toy::rendered(folder, &Toy { splits: &sides, setups: 3, ..Toy::default() })
}

fn online_rendering(data: &Path, soundfont: &Path) -> OnlineRendering {
    OnlineRendering::open(data, &[soundfont.to_path_buf()], EVERY, 100, 2).unwrap()
}

/// All images, in order.
fn images(dataset: &SpectrogramDataset) -> Vec<(ImageRef, Vec<u8>)> {
    let refs =
        [Split::Train, Split::Validation].into_iter().flat_map(|split| dataset.images(split));
    refs.map(|at| (at, dataset.image(at).to_vec())).collect()
}

#[test]
fn one_setup_after_the_other_sounds_new_where_it_is_trained_on() {
    let folder = tempfile::tempdir().unwrap();
    let (soundfont, data) = rendered(folder.path());
    let (mut dataset, mut online_rendering) =
        (SpectrogramDataset::open(&data).unwrap(), online_rendering(&data, &soundfont));
    let mut changed = Vec::new();
    for step in 0..5 {
        let mut due = Vec::new();
        online_rendering.advance_to(step, |renewed| due.push(renewed)).unwrap();
        for renewed in due {
            let (before, index) = (images(&dataset), renewed.index);
            let chain = dataset.description.setups[index].chain.clone();
            dataset.replace_setup(renewed);
            assert_ne!(dataset.description.setups[index].chain, chain, "another recording chain");
            for ((at, before), (_, after)) in before.iter().zip(images(&dataset)) {
                let trained = dataset.description.pieces[at.piece].split == Split::Train;
                assert_eq!(*before != after, trained && at.setup == index, "step {step}, {at:?}");
                assert!(
                    !dataset.sounds(*at) || after.iter().any(|byte| *byte > 100),
                    "{at:?} sounds"
                );
            }
            changed.push((step, index));
        }
    }
    assert_eq!(changed, [(2, 1), (4, 2)], "in turn, and never the plain one");
}

#[test]
fn a_new_sound_plays_the_same_notes() {
    let folder = tempfile::tempdir().unwrap();
    let (soundfont, data) = rendered(folder.path());
    let (mut dataset, mut online_rendering) =
        (SpectrogramDataset::open(&data).unwrap(), online_rendering(&data, &soundfont));
    let before = images(&dataset);
    online_rendering.advance_to(0, |_| panic!("nothing is due at first")).unwrap();
    online_rendering.advance_to(EVERY, |renewed| dataset.replace_setup(renewed)).unwrap();
    // The new image has the same notes: it correlates more with the piece's old image than with any
    // other piece.
    let correlation = |a: &[u8], b: &[u8]| {
        let mean = |x: &[u8]| x.iter().map(|v| f64::from(*v)).sum::<f64>() / x.len() as f64;
        let (a_mean, b_mean) = (mean(a), mean(b));
        let sum = |f: &dyn Fn(f64, f64) -> f64| {
            a.iter()
                .zip(b)
                .map(|(x, y)| f(f64::from(*x) - a_mean, f64::from(*y) - b_mean))
                .sum::<f64>()
        };
        sum(&|x, y| x * y) / (sum(&|x, _| x * x) * sum(&|_, y| y * y)).sqrt()
    };
    let renewed =
        |at: &&(ImageRef, Vec<u8>)| at.0.setup == 1 && at.0.piece < 6 && at.0.instrument == 3;
    for (at, old) in before.iter().filter(renewed) {
        let own = correlation(dataset.image(*at), old);
        let others = before.iter().filter(renewed).filter(|(other, _)| other.piece != at.piece);
        let nearest =
            others.map(|(_, image)| correlation(dataset.image(*at), image)).fold(-1.0, f64::max);
        assert!(own > nearest, "{at:?}: {own} of its own, {nearest} of another piece");
    }
}

#[test]
fn who_comes_late_hears_what_the_others_hear() {
    let folder = tempfile::tempdir().unwrap();
    let (soundfont, data) = rendered(folder.path());
    let from = |steps: &[u64]| {
        let (mut dataset, mut online_rendering) =
            (SpectrogramDataset::open(&data).unwrap(), online_rendering(&data, &soundfont));
        for step in steps {
            online_rendering.advance_to(*step, |renewed| dataset.replace_setup(renewed)).unwrap();
        }
        images(&dataset)
    };
    let whole = from(&[0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(whole, from(&[7]));
    assert_eq!(whole, from(&[3, 7]));
    assert_ne!(whole, from(&[5]));
}

#[test]
fn what_cannot_be_renewed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (soundfont, data) = rendered(folder.path());
    let refused = |data: &Path, soundfonts: &[PathBuf]| {
        OnlineRendering::open(data, soundfonts, EVERY, 100, 1).err().expect("refused").to_string()
    };
    assert!(refused(&data, &[]).contains("toy.sf2"));
    let mut description = Description::read(&data).unwrap();
    description.pieces.iter_mut().for_each(|piece| piece.split = Split::Test);
    std::fs::write(data.join(DESCRIPTION_FILE), serde_json::to_string(&description).unwrap())
        .unwrap();
    assert!(refused(&data, &[soundfont]).contains("recording chain"));
}

/// A tiny model, trained on the dataset in `folder` for `steps` steps, with a style loss.
fn train(folder: &Path, out: &str, steps: u64, resume: bool) -> Checkpoint {
    let data = folder.join("data");
    let common = [
        "every.panels=0",
        "every.validate=0",
        "every.checkpoint=0",
        "validation_items=1",
        "batch=2",
    ];
    let with =
        |more: &[String]| common.map(String::from).iter().chain(more).cloned().collect::<Vec<_>>();
    let autoencoder = folder.join("autoencoder");
    if !autoencoder.exists() {
        let overrides = with(&["steps=1".into()]);
        train::run(train::Args {
            overrides,
            ..tiny::training(Model::Autoencoder, &data, &autoencoder)
        })
        .unwrap();
    }
    let out = folder.join(out);
    let soundfont = folder.join("toy.sf2").display().to_string();
    let overrides = with(&[
        format!("steps={steps}"),
        format!("online_rendering.every={EVERY}"),
        format!("online_rendering.soundfonts={:?}", [soundfont]),
        "loss.style=0.1".into(),
        format!("feature_network={:?}", JUDGE),
    ]);
    let init = Some(autoencoder.join("last.safetensors"));
    train::run(train::Args { init, resume, overrides, ..tiny::training(Model::Ldm, &data, &out) })
        .unwrap();
    Checkpoint::read(out.join("last.safetensors").as_path()).unwrap()
}

#[test]
fn a_resumed_run_trains_on_the_sounds_that_it_would_have_had() {
    let folder = tempfile::tempdir().unwrap();
    rendered(folder.path());
    let whole = train(folder.path(), "whole", 8, false);
    // Stops before a new setup. The last step is drawn and compared while no rendering is in
    // progress.
    train(folder.path(), "halves", 2 * EVERY, false);
    let halves = train(folder.path(), "halves", 8, true);
    assert_eq!(whole.tensors, halves.tensors);
    assert_eq!(
        whole.provenance["ldm"]["run"]["online_rendering"]["soundfonts"][0], "toy.sf2",
        "a name and no path"
    );
}
