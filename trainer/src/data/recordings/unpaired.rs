//! Examples for the diffusion out of recordings, which have no true targets: each chunk is its own.

use engine::{Error, Result};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::dataset::RecordingDataset;
use crate::data::dataset::ImageRef;
use crate::data::description::Split;
use crate::data::image_set::ImageSet;
use crate::data::pairs::Pair;

/// Draws examples from one split: the target is a chunk, the content the same chunk in a disguise
/// (see [`super::disguise`]), the style another chunk of the same recording. Instruments alike,
/// their recordings by length.
pub struct UnpairedDataset {
    /// By instrument, then by recording: the chunks that sound, two or more.
    chunks: Vec<Vec<Vec<ImageRef>>>,
}

impl UnpairedDataset {
    /// Examples of one split.
    ///
    /// # Errors
    /// If no recording of the split has two chunks that sound.
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
                format!("{split:?} split"),
                "a recording with two chunks that sound",
                "none",
            ));
        }
        Ok(Self { chunks })
    }

    /// An example of chance.
    pub fn sample(&self, rng: &mut ChaCha8Rng) -> Pair {
        let recordings = self.chunks.choose(rng).expect("checked when made");
        let chunks =
            recordings.choose_weighted(rng, Vec::len).expect("recordings of two chunks or more");
        let place = rng.random_range(0..chunks.len());
        let target = chunks[place];
        let style = chunks[(place + rng.random_range(1..chunks.len())) % chunks.len()];
        Pair { content: target, style, target, disguise: Some(rng.random()) }
    }
}
