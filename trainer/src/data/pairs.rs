//! The reports' `SpectrogramPairDataset`, with a target that really is the content in the style.

use engine::{Error, Result};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::compose::PieceKind;
use super::dataset::{ImageRef, SpectrogramDataset, pieces_by_setup};
use super::description::Split;
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
    /// Whether the target's window continues another one, so that its beginning may be given as a clean prefix.
    pub prefix_possible: bool,
    /// The seed of the timbre that the content is given where it is the target itself; see [`super::recordings::disguise`].
    pub disguise: Option<u64>,
}

/// Draws pairs from one split: all ordered pairs of instruments alike, some with the same instrument twice.
pub struct SpectrogramPairDataset<'a> {
    dataset: &'a SpectrogramDataset,
    seed: u64,
    /// `(piece, setup)` of every possible target, as often as it has windows.
    targets: Vec<(usize, usize)>,
    /// Pieces by setup.
    by_setup: std::collections::BTreeMap<usize, Vec<usize>>,
}

impl<'a> SpectrogramPairDataset<'a> {
    /// Pairs of one split; refused when no two of its pieces share a setup.
    pub fn new(dataset: &'a SpectrogramDataset, split: Split, seed: u64) -> Result<Self> {
        let by_setup = pieces_by_setup(dataset, split);
        let mut targets = Vec::new();
        for (&setup, pieces) in by_setup.iter().filter(|(_, pieces)| pieces.len() > 1) {
            for &piece in pieces {
                targets.extend(std::iter::repeat_n((piece, setup), dataset.description.pieces[piece].chunks));
            }
        }
        if targets.is_empty() {
            let found = format!("{} pieces in {} setups", dataset.pieces(split).len(), by_setup.len());
            return Err(Error::invalid(format!("{split:?} split"), "two pieces that share a setup", found));
        }
        Ok(Self { dataset, seed, targets, by_setup })
    }

    /// Pair number `index` of the seed's endless sequence: a resumed run goes on with the pairs it would have seen.
    pub fn pair(&self, index: u64) -> Pair {
        self.sample(&mut random::stream(self.seed, "pair", index))
    }

    /// A pair of chance.
    pub fn sample(&self, rng: &mut ChaCha8Rng) -> Pair {
        let (from, to) = self.draw_instruments(rng);
        let mut target = self.draw_target(to, rng);
        for _ in 0..PATIENCE {
            if self.dataset.sounds(target) {
                break;
            }
            target = self.draw_target(to, rng);
        }
        let entry = &self.dataset.description.pieces[target.piece];
        let setup = *entry.setups.choose(rng).expect("two setups");
        Pair {
            content: ImageRef { setup, instrument: from, ..target },
            style: self.draw_style(target, rng),
            target,
            prefix_possible: entry.kind == PieceKind::Continuous && target.chunk > 0,
            disguise: None,
        }
    }

    fn draw_instruments(&self, rng: &mut ChaCha8Rng) -> (usize, usize) {
        let count = self.dataset.description.instruments.len();
        let to = rng.random_range(0..count);
        if count == 1 || rng.random_bool(SAME_INSTRUMENT) {
            return (to, to);
        }
        ((to + rng.random_range(1..count)) % count, to)
    }

    fn draw_target(&self, instrument: usize, rng: &mut ChaCha8Rng) -> ImageRef {
        let &(piece, setup) = self.targets.choose(rng).expect("checked when made");
        let chunk = rng.random_range(0..self.dataset.description.pieces[piece].chunks);
        ImageRef { piece, setup, instrument, chunk }
    }

    /// A sounding window of another piece in the target's instrument and setup.
    fn draw_style(&self, target: ImageRef, rng: &mut ChaCha8Rng) -> ImageRef {
        let pieces = &self.by_setup[&target.setup];
        let own =
            pieces.iter().position(|p| *p == target.piece).expect("a target is one of its setup's pieces");
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
