//! Examples of one dataset, or of several whose images count as one set's.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use engine::config::{MelConfig, WindowConfig};
use engine::image::MelImage;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::examples::Examples;
use crate::data::dataset::ImageRef;
use crate::data::description::Split;
use crate::data::image_set::ImageSet;
use crate::data::online_rendering::RerenderedSetup;
use crate::data::pairs::Pair;

/// One dataset or several: pieces are counted through all of them, and instruments of one name are
/// one.
pub struct Mixture {
    parts: Vec<Part>,
    /// Of all parts, in the order in which they come.
    instruments: Vec<String>,
}

/// A dataset of several.
struct Part {
    examples: Examples,
    /// What the number of its first piece is among all.
    first_piece: usize,
    /// Each of its instruments among all.
    instruments: Vec<usize>,
}

impl Part {
    fn outside(&self, at: ImageRef) -> ImageRef {
        ImageRef {
            piece: at.piece + self.first_piece,
            instrument: self.instruments[at.instrument],
            ..at
        }
    }

    fn inside(&self, at: ImageRef) -> ImageRef {
        let instrument = self.instruments.iter().position(|i| *i == at.instrument);
        let instrument = instrument.expect("an instrument of the dataset that has the piece");
        ImageRef { piece: at.piece - self.first_piece, instrument, ..at }
    }
}

/// A pair whose images are all named anew.
fn renamed(pair: Pair, name: impl Fn(ImageRef) -> ImageRef) -> Pair {
    Pair { content: name(pair.content), style: name(pair.style), target: name(pair.target), ..pair }
}

impl Mixture {
    /// Opens folders that `trainer render` or `trainer build-dataset` made.
    ///
    /// # Errors
    /// If one cannot be read, or its images are not of the first one's mel config and window.
    pub fn open<'a>(folders: impl IntoIterator<Item = &'a Path>) -> Result<Self> {
        let mut mixture = Self { parts: Vec::new(), instruments: Vec::new() };
        for folder in folders {
            let examples = Examples::open(folder).with_context(|| folder.display().to_string())?;
            mixture.add(examples).with_context(|| folder.display().to_string())?;
        }
        ensure!(!mixture.parts.is_empty(), "data: expected the folder of a dataset, found none");
        Ok(mixture)
    }

    fn add(&mut self, examples: Examples) -> Result<()> {
        let images = examples.images();
        if let Some(first) = self.parts.first() {
            let [expected, found] =
                [first.examples.images(), images].map(|images| (images.mel(), images.window()));
            ensure!(expected == found, "expected images of {expected:?}, found {found:?}");
        }
        let mut number = |name: &String| {
            let known = self.instruments.iter().position(|known| known == name);
            known.unwrap_or_else(|| {
                self.instruments.push(name.clone());
                self.instruments.len() - 1
            })
        };
        let instruments = images.instruments().iter().map(&mut number).collect();
        let first_piece =
            self.parts.last().map_or(0, |part| part.first_piece + part.examples.pieces());
        self.parts.push(Part { examples, first_piece, instruments });
        Ok(())
    }

    /// Whether all examples are of one rendered dataset, whose setups can be made anew.
    pub fn can_be_renewed(&self) -> bool {
        matches!(&self.parts[..], [Part { examples: Examples::Aligned { .. }, .. }])
    }

    /// `count` training examples, each of a dataset of chance.
    pub fn draw(&self, count: usize, rng: &mut ChaCha8Rng) -> Vec<Pair> {
        let mut draw = |_| {
            let part = match &self.parts[..] {
                // Nothing is drawn where there is no choice.
                [only] => only,
                several => &several[rng.random_range(0..several.len())],
            };
            renamed(part.examples.draw(rng), |at| part.outside(at))
        };
        (0..count).map(&mut draw).collect()
    }

    /// The same `count` examples at every validation, as many of each dataset.
    pub fn validation(&self, count: usize, seed: u64) -> Result<Vec<Pair>> {
        let mut all = Vec::new();
        for (i, part) in self.parts.iter().enumerate() {
            let share = (i + 1) * count / self.parts.len() - i * count / self.parts.len();
            let pairs = part.examples.validation(share, seed)?;
            all.extend(pairs.into_iter().map(|pair| renamed(pair, |at| part.outside(at))));
        }
        ensure!(
            !all.is_empty(),
            "data: expected validation pieces on two instruments, found those of {:?} alone",
            self.instruments
        );
        Ok(all)
    }

    /// Takes the images of a setup that was made anew.
    pub fn renew(&mut self, renewed: RerenderedSetup) {
        if let [only] = &mut self.parts[..] {
            only.examples.renew(renewed);
        }
    }

    /// An example's content, in its disguise where it has one.
    pub fn content(&self, pair: &Pair) -> MelImage {
        let part = self.part(pair.content);
        // A style, where validation shuffles them, may be of another dataset.
        part.examples.content(&Pair { content: part.inside(pair.content), ..*pair })
    }

    /// What a model file says of what it was trained on.
    pub fn provenance(&self) -> (&'static str, Value) {
        match &self.parts[..] {
            [only] => only.examples.provenance(),
            several => {
                let of = |part: &Part| {
                    let (data, trained_on) = part.examples.provenance();
                    json!({ data: trained_on })
                };
                ("datasets", several.iter().map(of).collect())
            }
        }
    }

    /// The dataset that has a piece.
    fn part(&self, at: ImageRef) -> &Part {
        let after = self.parts.partition_point(|part| part.first_piece <= at.piece);
        &self.parts[after - 1]
    }
}

impl ImageSet for Mixture {
    fn mel(&self) -> &MelConfig {
        self.parts[0].examples.images().mel()
    }

    fn window(&self) -> &WindowConfig {
        self.parts[0].examples.images().window()
    }

    fn instruments(&self) -> &[String] {
        &self.instruments
    }

    fn images(&self, split: Split) -> Vec<ImageRef> {
        let of = |part: &Part| -> Vec<ImageRef> {
            part.examples.images().images(split).into_iter().map(|at| part.outside(at)).collect()
        };
        self.parts.iter().flat_map(of).collect()
    }

    fn image(&self, at: ImageRef) -> &[u8] {
        let part = self.part(at);
        part.examples.images().image(part.inside(at))
    }

    fn sounds(&self, at: ImageRef) -> bool {
        let part = self.part(at);
        part.examples.images().sounds(part.inside(at))
    }
}
