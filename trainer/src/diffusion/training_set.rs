//! The diffusion's examples out of one dataset.

use std::path::Path;

use engine::Result;
use engine::image::MelImage;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::data::dataset::SpectrogramDataset;
use crate::data::description::Split;
use crate::data::image_set::ImageSet;
use crate::data::online_rendering::RerenderedSetup;
use crate::data::pairs::{Pair, SpectrogramPairDataset};
use crate::data::random;
use crate::data::recordings::dataset::RecordingDataset;
use crate::data::recordings::description::RecordingsDescription;
use crate::data::recordings::disguise::disguise;
use crate::data::recordings::unpaired::UnpairedDataset;

/// A dataset.
pub enum Examples {
    /// Rendered: the content's notes in the style's sound are there.
    Aligned {
        /// The images, and which of them go together in training.
        training: SpectrogramPairDataset<Box<SpectrogramDataset>>,
    },
    /// Recordings: a chunk is put together again from its disguise and its recording's sound.
    Unpaired {
        /// The images.
        data: Box<RecordingDataset>,
        /// Which of them go together in training.
        training: UnpairedDataset,
    },
}

impl Examples {
    /// Opens a folder that `trainer render` or `trainer build-dataset` made.
    pub fn open(folder: &Path) -> Result<Self> {
        if !RecordingsDescription::describes(folder) {
            let data = Box::new(SpectrogramDataset::open(folder)?);
            // Training draws by the run's own generator: this seed is never asked.
            return Ok(Self::Aligned {
                training: SpectrogramPairDataset::new(data, Split::Train, 0)?,
            });
        }
        let data = RecordingDataset::open(folder)?;
        let training = UnpairedDataset::new(&data, Split::Train)?;
        Ok(Self::Unpaired { data: Box::new(data), training })
    }

    /// The images.
    pub fn images(&self) -> &dyn ImageSet {
        match self {
            Self::Aligned { training } => training.dataset(),
            Self::Unpaired { data, .. } => &**data,
        }
    }

    /// How many pieces or recordings the images are of.
    pub fn pieces(&self) -> usize {
        match self {
            Self::Aligned { training } => training.dataset().description.pieces.len(),
            Self::Unpaired { data, .. } => data.description.recordings.len(),
        }
    }

    /// A training example.
    pub fn draw(&self, rng: &mut ChaCha8Rng) -> Pair {
        match self {
            Self::Aligned { training } => training.sample(rng),
            Self::Unpaired { training, .. } => training.sample(rng),
        }
    }

    /// Takes the images of a setup that was made anew; recordings have none.
    pub fn renew(&mut self, renewed: RerenderedSetup) {
        if let Self::Aligned { training } = self {
            training.renew(renewed);
        }
    }

    /// The same `count` examples at every validation: with a true target, content and target of
    /// different instruments.
    pub fn validation(&self, count: usize, seed: u64) -> Result<Vec<Pair>> {
        match self {
            Self::Aligned { training } => {
                let pairs =
                    SpectrogramPairDataset::new(training.dataset(), Split::Validation, seed)?;
                Ok(pairs.of_two_instruments(count))
            }
            Self::Unpaired { data, .. } => {
                let examples = UnpairedDataset::new(data, Split::Validation)?;
                let rng = &mut random::stream(seed, "unpaired validation", 0);
                Ok((0..count).map(|_| examples.sample(rng)).collect())
            }
        }
    }

    /// An example's content, in its disguise where it has one.
    pub fn content(&self, pair: &Pair) -> MelImage {
        let mut image = self.images().mel_image(pair.content);
        if let Some(seed) = pair.disguise {
            disguise(&mut image.data, image.n_mels, self.images().mel().range_db, seed);
        }
        image
    }

    /// What a model file says of what it was trained on: the soundfonts, or how many recordings and
    /// how they were read.
    pub fn provenance(&self) -> (&'static str, Value) {
        match self {
            Self::Aligned { training } => {
                ("soundfonts", json!(training.dataset().description.soundfonts))
            }
            Self::Unpaired { data, .. } => {
                let (settings, count) =
                    (&data.description.settings, data.description.recordings.len());
                ("recordings", json!({ "count": count, "settings": settings }))
            }
        }
    }
}
