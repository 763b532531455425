//! One dataset as a source of training pairs.

use std::path::Path;

use engine::Result;
use engine::image::MelImage;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::data::augment::timbre::change_timbre;
use crate::data::dataset::pairs::SpectrogramPairDataset;
use crate::data::dataset::{ImageSet, Pair, SpectrogramDataset, Split};
use crate::data::random;
use crate::data::recordings::dataset::RecordingDataset;
use crate::data::recordings::description::RecordingsDescription;
use crate::data::recordings::unpaired::UnpairedDataset;

/// A dataset with its pairs.
pub enum TrainingSet {
    /// A rendered dataset, which has true targets.
    Rendered {
        /// The images and the pairs of the training split.
        training: SpectrogramPairDataset<Box<SpectrogramDataset>>,
    },
    /// Recordings. The target is a chunk, the content the same chunk with another timbre.
    Recordings {
        /// The images.
        data: Box<RecordingDataset>,
        /// The pairs of the training split.
        training: UnpairedDataset,
    },
}

impl TrainingSet {
    /// Opens a folder that `trainer render` or `trainer build-dataset` wrote, as dataset number
    /// `index` of a run.
    ///
    /// # Errors
    /// If it cannot be read, or has no pairs for training.
    pub fn open(folder: &Path, index: usize) -> Result<Self> {
        if !RecordingsDescription::describes(folder) {
            let data = Box::new(SpectrogramDataset::open(folder)?.with_index(index));
            // Training draws with the generator of the run, so this seed has no effect.
            let training = SpectrogramPairDataset::new(data, Split::Train, 0)?;
            return Ok(Self::Rendered { training });
        }
        let data = RecordingDataset::open(folder)?.with_index(index);
        let training = UnpairedDataset::new(&data, Split::Train)?;
        Ok(Self::Recordings { data: Box::new(data), training })
    }

    /// The images.
    pub fn images(&self) -> &dyn ImageSet {
        match self {
            Self::Rendered { training } => training.dataset(),
            Self::Recordings { data, .. } => &**data,
        }
    }

    /// A random training pair.
    pub fn draw(&self, rng: &mut ChaCha8Rng) -> Pair {
        match self {
            Self::Rendered { training } => training.sample(rng),
            Self::Recordings { training, .. } => training.sample(rng),
        }
    }

    /// `count` validation pairs, equal for equal seeds. Those of a rendered dataset have different
    /// instruments for content and target.
    ///
    /// # Errors
    /// If the validation split has no pairs.
    pub fn validation(&self, count: usize, seed: u64) -> Result<Vec<Pair>> {
        match self {
            Self::Rendered { training } => {
                let pairs =
                    SpectrogramPairDataset::new(training.dataset(), Split::Validation, seed)?;
                Ok(pairs.of_two_instruments(count))
            }
            Self::Recordings { data, .. } => {
                let examples = UnpairedDataset::new(data, Split::Validation)?;
                let rng = &mut random::stream(seed, "unpaired validation", 0);
                Ok((0..count).map(|_| examples.sample(rng)).collect())
            }
        }
    }

    /// The image of a pair's content, with a change of timbre for recordings.
    pub fn content(&self, pair: &Pair) -> MelImage {
        let mut image = self.images().mel_image(pair.content);
        if let Some(seed) = pair.timbre_seed {
            change_timbre(&mut image.data, image.n_mels, self.images().mel().range_db, seed);
        }
        image
    }

    /// The origin of the data for the model file: the soundfonts, or number and settings of the
    /// recordings.
    pub fn provenance(&self) -> (&'static str, Value) {
        match self {
            Self::Rendered { training } => {
                ("soundfonts", json!(training.dataset().description.soundfonts))
            }
            Self::Recordings { data, .. } => {
                let (settings, count) =
                    (&data.description.settings, data.description.recordings.len());
                ("recordings", json!({ "count": count, "settings": settings }))
            }
        }
    }
}
