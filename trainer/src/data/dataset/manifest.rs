//! Manifests: fixed lists of pairs as CSV, for evaluation by other programs.
//!
//! `trainer evaluate` does not read them; it draws pairs by seed.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use engine::{Error, Result, whole_file};

use super::image_ref::ImageRef;
use super::pairs::{Pair, SpectrogramPairDataset};
use super::spectrogram_dataset::SpectrogramDataset;
use super::split::Split;

/// First line of a manifest.
const HEADER: &str = "content,style,target";

/// The manifest of a split in a dataset's folder.
pub fn path(folder: &Path, split: Split) -> PathBuf {
    folder.join(match split {
        Split::Train => "manifest-train.csv",
        Split::Validation => "manifest-validation.csv",
        Split::Test => "manifest-test.csv",
    })
}

/// Writes `count` pairs of a split. A split without two pieces of one setup gets no manifest.
///
/// # Errors
/// If the file cannot be written.
pub fn write(
    dataset: &SpectrogramDataset,
    split: Split,
    seed: u64,
    count: usize,
    folder: &Path,
) -> Result<()> {
    let Ok(pairs) = SpectrogramPairDataset::new(dataset, split, seed) else { return Ok(()) };
    let mut text = format!("{HEADER}\n");
    for index in 0..count as u64 {
        let pair = pairs.pair(index);
        let [content, style, target] =
            [pair.content, pair.style, pair.target].map(|r| name(dataset, r));
        writeln!(text, "{content},{style},{target}").expect("writing to a string");
    }
    whole_file::write(path(folder, split), text)
}

/// Reads a manifest.
///
/// # Errors
/// If the header differs, or a line does not name three images of the dataset.
pub fn read(dataset: &SpectrogramDataset, path: &Path) -> Result<Vec<Pair>> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::file(path, e))?;
    let mut lines = text.lines().enumerate();
    if lines.next().map(|l| l.1) != Some(HEADER) {
        let found = text.lines().next().unwrap_or("an empty file");
        return Err(Error::file(path, format!("expected the header `{HEADER}`, found {found}")));
    }
    let row = |(number, line): (usize, &str)| {
        let refs: Option<Vec<ImageRef>> = line.split(',').map(|n| parse(dataset, n)).collect();
        match refs.as_deref() {
            Some(&[content, style, target]) => {
                Ok(Pair { content, style, target, timbre_seed: None })
            }
            _ => Err(Error::file(
                path,
                format!(
                    "expected three images of the dataset in line {}, found {line}",
                    number + 1
                ),
            )),
        }
    };
    lines.map(row).collect()
}

/// `<piece id>/<setup>/<instrument>/<window>`.
pub fn name(dataset: &SpectrogramDataset, at: ImageRef) -> String {
    let description = &dataset.description;
    let id = description.pieces[at.piece].id;
    format!("{id:05}/{}/{}/{}", at.setup, description.instruments[at.instrument], at.chunk)
}

/// The image with that name, or `None`.
fn parse(dataset: &SpectrogramDataset, name: &str) -> Option<ImageRef> {
    let description = &dataset.description;
    let mut parts = name.split('/');
    let id: u64 = parts.next()?.parse().ok()?;
    let setup: usize = parts.next()?.parse().ok()?;
    let instrument_name = parts.next()?;
    let chunk: usize = parts.next()?.parse().ok()?;
    let piece = description.pieces.iter().position(|p| p.id == id)?;
    let instrument = description.instruments.iter().position(|i| i == instrument_name)?;
    let entry = &description.pieces[piece];
    let rendered =
        entry.setups.contains(&setup) && description.instruments_of(entry).contains(&instrument);
    let valid = parts.next().is_none() && rendered && chunk < entry.chunks;
    valid.then(|| dataset.image_ref(piece, setup, instrument, chunk))
}
