//! The student report's lists of image pairs, drawn before training.

use std::path::{Path, PathBuf};

use engine::{Error, Result, whole_file};
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::dataset::RecordingDataset;
use crate::data::dataset::{ImageRef, ImageSet, Split};
use crate::data::random;

/// One row: `label1,idx1,label2,idx2`.
///
/// An index counts *all* images of the label in the order of their file names, as torchvision's
/// `ImageFolder` does. The student report's `SpectrogramPairDataset` reads these lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelPair {
    /// Instrument of the first image.
    pub label1: String,
    /// Index of the first image.
    pub idx1: usize,
    /// Instrument of the second image, different from the first.
    pub label2: String,
    /// Index of the second image.
    pub idx2: usize,
}

/// The list of a split in a dataset's folder.
pub fn path(folder: &Path, split: Split) -> PathBuf {
    folder.join(match split {
        Split::Train => "pairs-train.csv",
        Split::Validation => "pairs-validation.csv",
        Split::Test => "pairs-test.csv",
    })
}

/// Draws the pairs of a split.
///
/// Every ordered pair of instruments is equally frequent, up to one. On each side, so is every
/// image of an instrument. Without two instruments that have an image with sound, there are no
/// pairs.
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
    let mut cycles: Vec<[ShuffledCycle; 2]> = labels
        .iter()
        .map(|(_, indices)| [indices, indices].map(|i| ShuffledCycle::new(i.clone())))
        .collect();
    let mut pairs: Vec<LabelPair> = (0..if ordered.is_empty() { 0 } else { count })
        .map(|i| {
            let (first, second) = ordered[i % ordered.len()];
            LabelPair {
                label1: labels[first].0.clone(),
                idx1: cycles[first][0].next(rng),
                label2: labels[second].0.clone(),
                idx2: cycles[second][1].next(rng),
            }
        })
        .collect();
    pairs.shuffle(rng);
    pairs
}

/// Returns all items in random order, then all of them again in another order.
struct ShuffledCycle {
    items: Vec<usize>,
    drawn: usize,
}

impl ShuffledCycle {
    fn new(items: Vec<usize>) -> Self {
        Self { items, drawn: 0 }
    }

    fn next(&mut self, rng: &mut ChaCha8Rng) -> usize {
        if self.drawn.is_multiple_of(self.items.len()) {
            self.items.shuffle(rng);
        }
        self.drawn += 1;
        self.items[(self.drawn - 1) % self.items.len()]
    }
}

/// Writes a list without a header, in the format of the student report's programs.
///
/// # Errors
/// If the file cannot be written.
pub fn write(pairs: &[LabelPair], path: &Path) -> Result<()> {
    let mut rows = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    pairs.iter().try_for_each(|pair| rows.serialize(pair)).map_err(|e| Error::file(path, e))?;
    whole_file::write(path, rows.into_inner().map_err(|e| Error::file(path, e))?)
}

/// Reads a list: the first and the second image of every pair.
///
/// # Errors
/// If a row is not a pair, or the dataset has no such image.
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
