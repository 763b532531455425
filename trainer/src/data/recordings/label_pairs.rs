//! The reports' lists of pairs: which image of one instrument goes with which of another, drawn
//! beforehand.

use std::path::{Path, PathBuf};

use engine::{Error, Result, whole_file};
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::dataset::RecordingDataset;
use crate::data::dataset::ImageRef;
use crate::data::description::Split;
use crate::data::image_set::ImageSet;
use crate::data::random;

/// One row: `label1,idx1,label2,idx2`.
///
/// An index counts *all* images of the label, in the order of their file names, as torchvision's
/// `ImageFolder` does: the reports' own `SpectrogramPairDataset` reads these lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelPair {
    /// Instrument of the first image.
    pub label1: String,
    /// Which of its images.
    pub idx1: usize,
    /// Instrument of the second image, another one.
    pub label2: String,
    /// Which of its images.
    pub idx2: usize,
}

/// The list of a split inside a dataset's folder.
pub fn path(folder: &Path, split: Split) -> PathBuf {
    folder.join(match split {
        Split::Train => "pairs-train.csv",
        Split::Validation => "pairs-validation.csv",
        Split::Test => "pairs-test.csv",
    })
}

/// Draws the pairs of a split: every ordered pair of instruments as often as the others (one more
/// or less), and every image of an instrument on each side as often as its others. No pairs where
/// fewer than two instruments have an image that sounds.
pub fn draw(dataset: &RecordingDataset, split: Split, count: usize, seed: u64) -> Vec<LabelPair> {
    let rng = &mut random::stream(seed, "label pairs", split as u64);
    let by_label = dataset.description.images_by_label();
    let sounding = |(label, images): (&String, &Vec<(usize, usize)>)| {
        let of_split = |&(recording, chunk): &(usize, usize)| {
            let entry = &dataset.description.recordings[recording];
            entry.split == Some(split) && dataset.sounds(dataset.image_ref(recording, chunk))
        };
        let indices: Vec<usize> = (0..images.len()).filter(|&i| of_split(&images[i])).collect();
        (!indices.is_empty()).then(|| (label.clone(), indices))
    };
    let labels: Vec<(String, Vec<usize>)> = by_label.iter().filter_map(sounding).collect();
    let places = 0..labels.len();
    let ordered: Vec<(usize, usize)> = places
        .clone()
        .flat_map(|a| places.clone().filter(move |b| *b != a).map(move |b| (a, b)))
        .collect();
    let mut decks: Vec<[Deck; 2]> = labels
        .iter()
        .map(|(_, indices)| [Deck::new(indices.clone()), Deck::new(indices.clone())])
        .collect();
    let mut pairs: Vec<LabelPair> = (0..if ordered.is_empty() { 0 } else { count })
        .map(|i| {
            let (first, second) = ordered[i % ordered.len()];
            LabelPair {
                label1: labels[first].0.clone(),
                idx1: decks[first][0].next(rng),
                label2: labels[second].0.clone(),
                idx2: decks[second][1].next(rng),
            }
        })
        .collect();
    pairs.shuffle(rng);
    pairs
}

/// Deals its cards in a random order, all of them before any of them again.
struct Deck {
    cards: Vec<usize>,
    dealt: usize,
}

impl Deck {
    fn new(cards: Vec<usize>) -> Self {
        Self { cards, dealt: 0 }
    }

    fn next(&mut self, rng: &mut ChaCha8Rng) -> usize {
        if self.dealt.is_multiple_of(self.cards.len()) {
            self.cards.shuffle(rng);
        }
        self.dealt += 1;
        self.cards[(self.dealt - 1) % self.cards.len()]
    }
}

/// Writes a list, without a header, as the reports' programs read it.
///
/// # Errors
/// If the file cannot be written.
pub fn write(pairs: &[LabelPair], path: &Path) -> Result<()> {
    let mut rows = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    pairs.iter().try_for_each(|pair| rows.serialize(pair)).map_err(|e| Error::file(path, e))?;
    whole_file::write(path, rows.into_inner().map_err(|e| Error::file(path, e))?)
}

/// Reads a list as images of a dataset: the first and the second of every pair.
///
/// # Errors
/// If a row is no pair, or names an image that the dataset does not have.
pub fn read(dataset: &RecordingDataset, path: &Path) -> Result<Vec<(ImageRef, ImageRef)>> {
    let by_label = dataset.description.images_by_label();
    let image = |label: &str, index: usize, line: usize| -> Result<ImageRef> {
        let at = by_label.get(label).and_then(|images| images.get(index));
        let &(recording, chunk) = at.ok_or_else(|| {
            let expected = format!("expected images of the dataset in line {line}");
            Error::file(path, format!("{expected}, found {label} number {index}"))
        })?;
        Ok(dataset.image_ref(recording, chunk))
    };
    let mut rows = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_path(path)
        .map_err(|e| Error::file(path, e))?;
    let row = |(number, row): (usize, csv::Result<LabelPair>)| {
        let line = number + 1;
        let pair = row.map_err(|e| {
            Error::file(
                path,
                format!("expected label1,idx1,label2,idx2 in line {line}, found: {e}"),
            )
        })?;
        Ok((image(&pair.label1, pair.idx1, line)?, image(&pair.label2, pair.idx2, line)?))
    };
    rows.deserialize().enumerate().map(row).collect()
}
