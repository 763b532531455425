//! The student report's `SpectrogramPairDataset`, with a true target: the content's notes in the
//! style's sound.

use std::collections::BTreeMap;
use std::ops::Deref;

use engine::{Error, Result};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::image_ref::ImageRef;
use super::sound::{Sound, pieces_by_sound};
use super::spectrogram_dataset::SpectrogramDataset;
use super::split::Split;
use crate::data::random;

/// Share of pairs with the same instrument for content and target.
const SAME_INSTRUMENT: f64 = 0.15;
/// Draws of a window. The last one may be silent.
const MAX_DRAWS: usize = 20;

/// Content, style and target of one training example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The notes, on some instrument, in one of the piece's setups.
    pub content: ImageRef,
    /// Another piece of the same split, in the target's instrument and setup.
    pub style: ImageRef,
    /// The content's notes in the style's instrument and setup.
    pub target: ImageRef,
    /// The seed of a [timbre change](crate::data::augment::timbre), for a content that is the
    /// target itself.
    pub timbre_seed: Option<u64>,
}

/// Draws pairs from one split. All ordered pairs of a piece's instruments are equally likely, and
/// some pairs have one instrument twice.
pub struct SpectrogramPairDataset<D> {
    dataset: D,
    seed: u64,
    /// Possible targets, each once for every window.
    targets: Vec<Target>,
    /// Pieces by setup and instrument.
    by_sound: BTreeMap<Sound, Vec<usize>>,
}

/// A piece in a setup.
#[derive(Clone, Copy)]
struct Target {
    piece: usize,
    setup: usize,
    /// How many of the piece's instruments have a style: another piece in this setup.
    styled: usize,
}

impl<D: Deref<Target = SpectrogramDataset>> SpectrogramPairDataset<D> {
    /// Pairs of one split.
    ///
    /// # Errors
    /// If no two of its pieces share a setup and an instrument.
    pub fn new(dataset: D, split: Split, seed: u64) -> Result<Self> {
        let by_sound = pieces_by_sound(&dataset, split);
        let mut styled: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        for (sound, pieces) in by_sound.iter().filter(|(_, pieces)| pieces.len() > 1) {
            pieces.iter().for_each(|&piece| *styled.entry((sound.setup, piece)).or_default() += 1);
        }
        let windows = |((setup, piece), styled)| {
            let target = Target { piece, setup, styled };
            std::iter::repeat_n(target, dataset.description.pieces[piece].chunks)
        };
        let targets: Vec<Target> = styled.into_iter().flat_map(windows).collect();
        if targets.is_empty() {
            let found =
                format!("{} pieces of {} sounds", dataset.pieces(split).len(), by_sound.len());
            let expected = "two pieces that share a setup and an instrument";
            return Err(Error::invalid(format!("{} split", split.name()), expected, found));
        }
        Ok(Self { dataset, seed, targets, by_sound })
    }

    /// The images.
    pub fn dataset(&self) -> &SpectrogramDataset {
        &self.dataset
    }

    /// Pair number `index` of the seed's endless sequence.
    pub fn pair(&self, index: u64) -> Pair {
        self.sample(&mut random::stream(self.seed, "pair", index))
    }

    /// The first `count` pairs of that sequence with different instruments. Fewer if such pairs
    /// are very rare.
    pub fn of_two_instruments(&self, count: usize) -> Vec<Pair> {
        let drawn = (0..20 * count as u64).map(|index| self.pair(index));
        drawn.filter(|pair| pair.content.instrument != pair.target.instrument).take(count).collect()
    }

    /// A random pair.
    pub fn sample(&self, rng: &mut ChaCha8Rng) -> Pair {
        let mut target = self.draw_target(rng);
        for _ in 0..MAX_DRAWS {
            if self.dataset.sounds(target) {
                break;
            }
            target = self.draw_target(rng);
        }
        let entry = &self.dataset.description.pieces[target.piece];
        let setup = *entry.setups.choose(rng).expect("two setups");
        let instrument = self.draw_content_instrument(target, rng);
        Pair {
            content: ImageRef { setup, instrument, ..target },
            style: self.style_of(target, rng),
            target,
            timbre_seed: None,
        }
    }

    fn draw_target(&self, rng: &mut ChaCha8Rng) -> ImageRef {
        let Target { piece, setup, styled } = *self.targets.choose(rng).expect("checked by new");
        let description = &self.dataset.description;
        let entry = &description.pieces[piece];
        let has_style = |i: &usize| self.by_sound[&Sound { setup, instrument: *i }].len() > 1;
        let mut instruments = description.instruments_of(entry).into_iter().filter(has_style);
        let instrument =
            instruments.nth(rng.random_range(0..styled)).expect("as many as were counted");
        self.dataset.image_ref(piece, setup, instrument, rng.random_range(0..entry.chunks))
    }

    /// Another instrument of the piece, or sometimes the target's own.
    fn draw_content_instrument(&self, target: ImageRef, rng: &mut ChaCha8Rng) -> usize {
        let description = &self.dataset.description;
        let mut others = description.instruments_of(&description.pieces[target.piece]);
        others.retain(|i| *i != target.instrument);
        if others.is_empty() || rng.random_bool(SAME_INSTRUMENT) {
            return target.instrument;
        }
        *others.choose(rng).expect("not empty")
    }

    /// A window with sound of another piece, in the target's instrument and setup.
    pub fn style_of(&self, target: ImageRef, rng: &mut ChaCha8Rng) -> ImageRef {
        let ImageRef { setup, instrument, .. } = target;
        let pieces = &self.by_sound[&Sound { setup, instrument }];
        let own = pieces
            .iter()
            .position(|p| *p == target.piece)
            .expect("a target is one of its sound's pieces");
        let mut draw = || {
            let piece = pieces[(own + rng.random_range(1..pieces.len())) % pieces.len()];
            let chunk = rng.random_range(0..self.dataset.description.pieces[piece].chunks);
            ImageRef { piece, chunk, ..target }
        };
        let mut style = draw();
        for _ in 0..MAX_DRAWS {
            if self.dataset.sounds(style) {
                break;
            }
            style = draw();
        }
        style
    }
}
