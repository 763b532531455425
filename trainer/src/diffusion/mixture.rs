//! One or more datasets as one source of training pairs.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use engine::config::{MelConfig, WindowConfig};
use engine::image::MelImage;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::training_set::TrainingSet;
use crate::data::dataset::{ImageRef, ImageSet, Pair, Split};

/// Datasets of equal image format, in the order of [`ImageRef::dataset`]. Instruments with the same
/// name have the same label.
pub struct Mixture {
    sets: Vec<TrainingSet>,
    /// For each dataset, the label of each of its instruments.
    labels: Vec<Vec<usize>>,
    /// Names of the labels, in the order of their first dataset.
    instruments: Vec<String>,
}

impl Mixture {
    /// Opens folders that `trainer render` or `trainer build-dataset` wrote.
    ///
    /// # Errors
    /// If there is none, one cannot be read, or their mel configs or windows differ.
    pub fn open<'a>(folders: impl IntoIterator<Item = &'a Path>) -> Result<Self> {
        let mut mixture = Self { sets: Vec::new(), labels: Vec::new(), instruments: Vec::new() };
        for folder in folders {
            let context = || folder.display().to_string();
            let set = TrainingSet::open(folder, mixture.sets.len()).with_context(context)?;
            mixture.add(set).with_context(context)?;
        }
        ensure!(!mixture.sets.is_empty(), "data: expected the folder of a dataset, found none");
        Ok(mixture)
    }

    fn add(&mut self, set: TrainingSet) -> Result<()> {
        let images = set.images();
        if let Some(first) = self.sets.first() {
            let [expected, found] =
                [first.images(), images].map(|images| (images.mel(), images.window()));
            ensure!(expected == found, "expected images of {expected:?}, found {found:?}");
        }
        let instruments = &mut self.instruments;
        let label = |name: &String| {
            instruments.iter().position(|other| other == name).unwrap_or_else(|| {
                instruments.push(name.clone());
                instruments.len() - 1
            })
        };
        let labels = images.instruments().iter().map(label).collect();
        self.labels.push(labels);
        self.sets.push(set);
        Ok(())
    }

    /// `count` training pairs, each from a random dataset.
    pub fn draw(&self, count: usize, rng: &mut ChaCha8Rng) -> Vec<Pair> {
        let mut draw = |_| {
            let set = match &self.sets[..] {
                // No random number for the choice of a single dataset.
                [only] => only,
                several => &several[rng.random_range(0..several.len())],
            };
            set.draw(rng)
        };
        (0..count).map(&mut draw).collect()
    }

    /// `count` validation pairs, equal for equal seeds, with an equal number from each dataset.
    ///
    /// # Errors
    /// If there are none.
    pub fn validation(&self, count: usize, seed: u64) -> Result<Vec<Pair>> {
        let mut all = Vec::new();
        for (i, set) in self.sets.iter().enumerate() {
            let share = (i + 1) * count / self.sets.len() - i * count / self.sets.len();
            all.extend(set.validation(share, seed)?);
        }
        ensure!(
            !all.is_empty(),
            "data: expected validation pieces on two instruments, found only {:?}",
            self.instruments
        );
        Ok(all)
    }

    /// The image of a pair's content, with a change of timbre for recordings.
    pub fn content(&self, pair: &Pair) -> MelImage {
        self.sets[pair.content.dataset].content(pair)
    }

    /// The origin of the data for the model file.
    pub fn provenance(&self) -> (&'static str, Value) {
        match &self.sets[..] {
            [only] => only.provenance(),
            several => {
                let of = |set: &TrainingSet| {
                    let (data, trained_on) = set.provenance();
                    json!({ data: trained_on })
                };
                ("datasets", several.iter().map(of).collect())
            }
        }
    }
}

impl ImageSet for Mixture {
    fn mel(&self) -> &MelConfig {
        self.sets[0].images().mel()
    }

    fn window(&self) -> &WindowConfig {
        self.sets[0].images().window()
    }

    fn instruments(&self) -> &[String] {
        &self.instruments
    }

    fn images(&self, split: Split) -> Vec<ImageRef> {
        self.sets.iter().flat_map(|set| set.images().images(split)).collect()
    }

    fn image(&self, at: ImageRef) -> &[u8] {
        self.sets[at.dataset].images().image(at)
    }

    fn sounds(&self, at: ImageRef) -> bool {
        self.sets[at.dataset].images().sounds(at)
    }

    fn label(&self, at: ImageRef) -> usize {
        self.labels[at.dataset][at.instrument]
    }
}
