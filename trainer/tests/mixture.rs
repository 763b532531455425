//! Several datasets as one: pairs are drawn from each, and every pair has images of one dataset.

mod toy;

use std::path::{Path, PathBuf};

use toy::Toy;
use trainer::data::dataset::pairs::SpectrogramPairDataset;
use trainer::data::dataset::{ImageSet, Pair, SpectrogramDataset, Split};
use trainer::data::random;
use trainer::data::score::instruments;
use trainer::diffusion::mixture::Mixture;

/// Six training and six validation pieces on some instruments.
fn rendered(folder: &Path, name: &str, instruments: &[&str]) -> PathBuf {
    let splits = [[Split::Train; 6], [Split::Validation; 6]].concat();
    let folder = folder.join(name);
    std::fs::create_dir(&folder).unwrap();
    toy::rendered(&folder, &Toy { instruments, splits: &splits, ..Toy::default() }).1
}

fn draw(mixture: &Mixture, count: usize) -> Vec<Pair> {
    mixture.draw(count, &mut random::stream(1, "test", 0))
}

#[test]
fn a_single_dataset_has_its_own_pairs() {
    let folder = tempfile::tempdir().unwrap();
    let data = rendered(folder.path(), "a", &instruments::DEFAULT_INSTRUMENTS);
    let (mixture, dataset) =
        (Mixture::open([&*data]).unwrap(), SpectrogramDataset::open(&data).unwrap());
    let pairs = |split, seed| SpectrogramPairDataset::new(&dataset, split, seed).unwrap();
    let (training, rng) = (pairs(Split::Train, 0), &mut random::stream(1, "test", 0));
    assert_eq!(draw(&mixture, 20), (0..20).map(|_| training.sample(rng)).collect::<Vec<_>>());
    assert_eq!(
        mixture.validation(7, 3).unwrap(),
        pairs(Split::Validation, 3).of_two_instruments(7)
    );
    assert_eq!(mixture.instruments(), dataset.instruments());
}

#[test]
fn both_of_two_datasets_are_drawn_and_every_image_is_from_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let folders = [
        rendered(folder.path(), "a", &["piano", "guitar", "harp"]),
        rendered(folder.path(), "b", &["violin", "harp"]),
    ];
    let mixture = Mixture::open(folders.iter().map(|path| &**path)).unwrap();
    assert_eq!(mixture.instruments(), ["piano", "guitar", "harp", "violin"]);
    let parts = folders.each_ref().map(|path| SpectrogramDataset::open(path).unwrap());
    let names: Vec<&String> = mixture.instruments().iter().collect();
    let mut of_each = [0; 2];
    for pair in draw(&mixture, 200).into_iter().chain(mixture.validation(9, 1).unwrap()) {
        let which = pair.target.dataset;
        of_each[which] += 1;
        for at in [pair.content, pair.style, pair.target] {
            assert_eq!(at.dataset, which);
            let own = &parts[which].description.instruments;
            assert_eq!(&own[at.instrument], names[mixture.label(at)]);
            assert_eq!(mixture.image(at), parts[which].image(at), "{at:?}");
            assert_eq!(mixture.sounds(at), parts[which].sounds(at));
        }
    }
    assert!(of_each.iter().all(|count| (70..140).contains(count)), "{of_each:?}");
    let of_parts: usize = parts.iter().map(|part| part.images(Split::Train).len()).sum();
    assert_eq!(mixture.images(Split::Train).len(), of_parts);
    assert_eq!(mixture.provenance().0, "datasets");
}

#[test]
fn a_single_instrument_has_no_validation_pairs() {
    let folder = tempfile::tempdir().unwrap();
    let data = rendered(folder.path(), "violins", &["violin"]);
    let mixture = Mixture::open([data.as_path()]).unwrap();
    let sentence = mixture.validation(4, 1).unwrap_err().to_string();
    assert!(sentence.contains("two instruments") && sentence.contains("violin"), "{sentence}");
}

#[test]
fn the_error_names_a_folder_without_dataset() {
    let folder = tempfile::tempdir().unwrap();
    let data = rendered(folder.path(), "a", &instruments::DEFAULT_INSTRUMENTS);
    let nothing = folder.path().join("nothing");
    let error = format!("{:#}", Mixture::open([&*data, &*nothing]).err().unwrap());
    assert!(error.contains("nothing"), "{error}");
    assert!(Mixture::open([]).is_err());
}
