//! A small dataset rendered with the toy soundfont.

use std::path::{Path, PathBuf};

use trainer::data::dataset::description::{DESCRIPTION_FILE, Description};
use trainer::data::dataset::{Split, render};
use trainer::data::score::instruments;
use trainer::data::soundfont::toy as toy_soundfont;

/// Contents of the dataset.
pub struct Toy<'a> {
    /// Instruments by name.
    pub instruments: &'a [&'a str],
    /// The split of each piece.
    pub splits: &'a [Split],
    /// Number of setups. The first is plain.
    pub setups: usize,
    /// Maximum number of windows of a piece.
    pub max_chunks: usize,
    /// Share of the pieces with gestures.
    pub expressive: f32,
}

impl Default for Toy<'_> {
    fn default() -> Self {
        Self {
            instruments: &instruments::DEFAULT_INSTRUMENTS,
            splits: &[],
            setups: 2,
            max_chunks: 1,
            expressive: 0.0,
        }
    }
}

/// Renders the dataset and returns the paths of the soundfont and the dataset.
pub fn rendered(folder: &Path, toy: &Toy) -> (PathBuf, PathBuf) {
    let (soundfont, out) = (folder.join("toy.sf2"), folder.join("data"));
    toy_soundfont::write(&soundfont).unwrap();
    let args = render::Args {
        out: out.clone(),
        soundfonts: vec![soundfont.clone()],
        instruments: toy.instruments.iter().map(ToString::to_string).collect(),
        extra_instruments: Vec::new(),
        pieces: toy.splits.len() as u64,
        max_chunks: toy.max_chunks,
        midi: None,
        midi_excerpts: 1,
        expressive: toy.expressive,
        setups_per_font: toy.setups,
        split: Some(Split::Train),
        seed: 5,
    };
    render::run(&args).unwrap();
    let mut description = Description::read(&out).unwrap();
    description.pieces.iter_mut().zip(toy.splits).for_each(|(piece, split)| piece.split = *split);
    std::fs::write(out.join(DESCRIPTION_FILE), serde_json::to_string(&description).unwrap())
        .unwrap();
    (soundfont, out)
}
