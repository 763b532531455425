//! Draws training examples from recordings, which have no true targets.

use engine::{Error, Result};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::dataset::RecordingDataset;
use crate::data::dataset::{ImageRef, ImageSet, Pair, Split};

/// Draws examples from one split.
///
/// The target is a chunk. The content is the same chunk with another
/// [timbre](crate::data::augment::timbre). The style is another chunk of the same recording.
/// Instruments are equally likely, their recordings in proportion to their length.
pub struct UnpairedDataset {
    /// By instrument, then by recording: at least two chunks with sound.
    chunks: Vec<Vec<Vec<ImageRef>>>,
}

impl UnpairedDataset {
    /// Examples of one split.
    ///
    /// # Errors
    /// If no recording of the split has two chunks with sound.
    pub fn new(dataset: &RecordingDataset, split: Split) -> Result<Self> {
        let mut chunks = vec![
            vec![Vec::new(); dataset.description.recordings.len()];
            dataset.instruments().len()
        ];
        for at in dataset.images(split).into_iter().filter(|at| dataset.sounds(*at)) {
            chunks[at.instrument][at.piece].push(at);
        }
        chunks.iter_mut().for_each(|recordings| recordings.retain(|chunks| chunks.len() > 1));
        chunks.retain(|recordings| !recordings.is_empty());
        if chunks.is_empty() {
            return Err(Error::invalid(
                format!("{} split", split.name()),
                "a recording with two chunks with sound",
                "none",
            ));
        }
        Ok(Self { chunks })
    }

    /// A random example.
    pub fn sample(&self, rng: &mut ChaCha8Rng) -> Pair {
        let recordings = self.chunks.choose(rng).expect("checked by new");
        let chunks =
            recordings.choose_weighted(rng, Vec::len).expect("recordings of two chunks or more");
        let place = rng.random_range(0..chunks.len());
        let target = chunks[place];
        let style = chunks[(place + rng.random_range(1..chunks.len())) % chunks.len()];
        Pair { content: target, style, target, timbre_seed: Some(rng.random()) }
    }
}
