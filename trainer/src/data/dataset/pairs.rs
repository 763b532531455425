//! The reports' `SpectrogramPairDataset`, with a target that really is the content in the style.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

use engine::{Error, Result};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::dataset::{ImageRef, Sound, SpectrogramDataset, pieces_by_sound};
use super::description::Split;
use super::online_rendering::RerenderedSetup;
use super::random;

/// Share of pairs whose content is already the target's instrument.
const SAME_INSTRUMENT: f64 = 0.15;
/// Draws after which a silent window is taken all the same.
const PATIENCE: usize = 20;

/// Content, style and target of one training example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The notes, on some instrument, in one of the piece's setups.
    pub content: ImageRef,
    /// Another piece of the same split, in the target's instrument and setup.
    pub style: ImageRef,
    /// The content's notes in the style's instrument and setup.
    pub target: ImageRef,
    /// The seed of the timbre that the content is given where it is the target itself; see
    /// [`super::recordings::disguise`].
    pub disguise: Option<u64>,
}

/// Draws pairs from one split: all ordered pairs of a piece's instruments alike, some with the same
/// instrument twice.
pub struct SpectrogramPairDataset<D> {
    dataset: D,
    seed: u64,
    /// What can be aimed at, as often as it has windows.
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
    /// Pairs of one split; refused when no two of its pieces share a setup and an instrument.
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
            return Err(Error::invalid(format!("{split:?} split"), expected, found));
        }
        Ok(Self { dataset, seed, targets, by_sound })
    }

    /// The images.
    pub fn dataset(&self) -> &SpectrogramDataset {
        &self.dataset
    }

    /// Pair number `index` of the seed's endless sequence: a resumed run goes on with the pairs it
    /// would have seen.
    pub fn pair(&self, index: u64) -> Pair {
        self.sample(&mut random::stream(self.seed, "pair", index))
    }

    /// The first `count` pairs of that sequence between different instruments; fewer where such
    /// pairs are very rare.
    pub fn of_two_instruments(&self, count: usize) -> Vec<Pair> {
        let drawn = (0..20 * count as u64).map(|index| self.pair(index));
        drawn.filter(|pair| pair.content.instrument != pair.target.instrument).take(count).collect()
    }

    /// A pair of chance.
    pub fn sample(&self, rng: &mut ChaCha8Rng) -> Pair {
        let mut target = self.draw_target(rng);
        for _ in 0..PATIENCE {
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
            disguise: None,
        }
    }

    fn draw_target(&self, rng: &mut ChaCha8Rng) -> ImageRef {
        let Target { piece, setup, styled } = *self.targets.choose(rng).expect("checked when made");
        let description = &self.dataset.description;
        let entry = &description.pieces[piece];
        let has_style = |i: &usize| self.by_sound[&Sound { setup, instrument: *i }].len() > 1;
        let mut instruments = description.instruments_of(entry).into_iter().filter(has_style);
        let instrument =
            instruments.nth(rng.random_range(0..styled)).expect("as many as were counted");
        ImageRef { piece, setup, instrument, chunk: rng.random_range(0..entry.chunks) }
    }

    /// Another instrument of the piece, or now and then the target's own.
    fn draw_content_instrument(&self, target: ImageRef, rng: &mut ChaCha8Rng) -> usize {
        let description = &self.dataset.description;
        let mut others = description.instruments_of(&description.pieces[target.piece]);
        others.retain(|i| *i != target.instrument);
        if others.is_empty() || rng.random_bool(SAME_INSTRUMENT) {
            return target.instrument;
        }
        *others.choose(rng).expect("not empty")
    }

    /// A sounding window of another piece in the target's instrument and setup.
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
        for _ in 0..PATIENCE {
            if self.dataset.sounds(style) {
                break;
            }
            style = draw();
        }
        style
    }
}

impl<D: DerefMut<Target = SpectrogramDataset>> SpectrogramPairDataset<D> {
    /// Takes the images of a setup that was made anew; the pairs stay what they were.
    pub fn renew(&mut self, renewed: RerenderedSetup) {
        self.dataset.renew(renewed);
    }
}
