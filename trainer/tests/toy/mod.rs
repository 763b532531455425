//! A dataset on the toy soundfont, small enough for a test.

use std::path::{Path, PathBuf};

use trainer::data::description::{DESCRIPTION_FILE, Description, Split};
use trainer::data::{instruments, render, toy_soundfont};

/// Renders pieces on sides of our own choice, one each, of so many setups (the first of them plain) and windows; where the soundfont
/// and the dataset lie.
pub fn rendered(folder: &Path, splits: &[Split], setups: usize, max_chunks: usize) -> (PathBuf, PathBuf) {
    let (soundfont, out) = (folder.join("toy.sf2"), folder.join("data"));
    toy_soundfont::write(&soundfont).unwrap();
    let args = render::Args {
        out: out.clone(),
        soundfonts: vec![soundfont.clone()],
        instruments: instruments::DEFAULT_INSTRUMENTS.map(String::from).to_vec(),
        guests: Vec::new(),
        pieces: splits.len() as u64,
        max_chunks,
        midi: None,
        midi_excerpts: 1,
        expressive: 0.0,
        setups_per_font: setups,
        split: Some(Split::Train),
        seed: 5,
    };
    render::run(&args).unwrap();
    let mut description = Description::read(&out).unwrap();
    description.pieces.iter_mut().zip(splits).for_each(|(piece, split)| piece.split = *split);
    std::fs::write(out.join(DESCRIPTION_FILE), serde_json::to_string(&description).unwrap()).unwrap();
    (soundfont, out)
}
