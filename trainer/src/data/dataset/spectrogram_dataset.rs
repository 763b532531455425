//! The reports' `SpectrogramDataset`: every image of a rendered dataset, in memory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use engine::config::{MelConfig, WindowConfig};
use engine::{Error, Result};
use rayon::prelude::*;
use safetensors::{Dtype, SafeTensors};

use super::compose::PieceKind;
use super::description::{Description, PieceEntry, Split, tensor_name};
use super::image_set::ImageSet;
use super::online_rendering::RerenderedSetup;
use super::score::Score;

/// Mean byte below which a window is silent.
const SILENT_MEAN: f32 = 4.0;
/// Brightest byte below which a window is silent (a noise floor has a mean, but no partials).
const SILENT_PEAK: u8 = 115;

/// One image of a dataset, by index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageRef {
    /// Index into [`Description::pieces`] (not the piece's id), or the recording's index.
    pub piece: usize,
    /// Index into [`Description::setups`], one of the piece's two; 0 for a recording.
    pub setup: usize,
    /// Index into [`Description::instruments`].
    pub instrument: usize,
    /// Window of the piece.
    pub chunk: usize,
}

/// All images of one performance.
pub(super) struct Track {
    /// `chunks * n_mels * frames`.
    bytes: Vec<u8>,
    /// Whether each window sounds.
    sounding: Vec<bool>,
}

/// Images and their description.
pub struct SpectrogramDataset {
    /// What was rendered.
    pub description: Description,
    folder: PathBuf,
    /// By piece; inside, first setup then second, instruments in order.
    tracks: Vec<Vec<Track>>,
}

impl SpectrogramDataset {
    /// Reads a whole dataset (16 KiB an image) that `trainer render` finished.
    pub fn open(folder: &Path) -> Result<Self> {
        let description = Description::read(folder)?;
        let read = |entry: &PieceEntry| read_piece(&description, entry, folder);
        let tracks = description.pieces.par_iter().map(read).collect::<Result<_>>()?;
        Ok(Self { description, folder: folder.to_path_buf(), tracks })
    }

    /// One image: `n_mels` rows of `frames` bytes, 255 for 1.0, the lowest band first.
    ///
    /// # Panics
    /// If the piece has no such setup, instrument or window.
    pub fn image(&self, at: ImageRef) -> &[u8] {
        self.track(at).image(at.chunk)
    }

    /// The same as numbers in `[0, 1]`, appended to `out`.
    pub fn extend_f32(&self, at: ImageRef, out: &mut Vec<f32>) {
        out.extend(self.image(at).iter().map(|b| f32::from(*b) / 255.0));
    }

    /// Whether anything sounds in a window.
    pub fn sounds(&self, at: ImageRef) -> bool {
        self.track(at).sounds(at.chunk)
    }

    /// Takes the images of a setup that was made anew.
    ///
    /// # Panics
    /// If they are of other pieces than have this setup.
    pub fn renew(&mut self, renewed: RerenderedSetup) {
        for (piece, images) in renewed.pieces {
            let entry = &self.description.pieces[piece];
            let slot = entry
                .setups
                .iter()
                .position(|s| *s == renewed.index)
                .expect("a setup of the piece");
            let first = slot * images.len();
            for (track, bytes) in self.tracks[piece][first..].iter_mut().zip(images) {
                *track = Track::new(bytes, entry.chunks);
            }
        }
        self.description.setups[renewed.index] = renewed.setup;
    }

    fn track(&self, at: ImageRef) -> &Track {
        let entry = &self.description.pieces[at.piece];
        let slot = entry.setups.iter().position(|s| *s == at.setup).expect("a setup of the piece");
        let instruments = self.description.instruments_of(entry);
        let place = instruments
            .iter()
            .position(|i| *i == at.instrument)
            .expect("an instrument of the piece");
        &self.tracks[at.piece][slot * instruments.len() + place]
    }

    /// Bytes of one image.
    pub fn image_len(&self) -> usize {
        self.description.mel.n_mels * self.description.window.frames
    }

    /// Indices of a split's pieces.
    pub fn pieces(&self, split: Split) -> Vec<usize> {
        let pieces = self.description.pieces.iter().enumerate();
        pieces.filter(|(_, p)| p.split == split).map(|(i, _)| i).collect()
    }

    /// Every image of a split, in order.
    pub fn images(&self, split: Split) -> Vec<ImageRef> {
        let mut all = Vec::new();
        for piece in self.pieces(split) {
            let entry = &self.description.pieces[piece];
            for (slot, &setup) in entry.setups.iter().enumerate() {
                if slot == 1 && entry.setups[0] == setup {
                    continue;
                }
                for instrument in self.description.instruments_of(entry) {
                    all.extend((0..entry.chunks).map(|chunk| ImageRef {
                        piece,
                        setup,
                        instrument,
                        chunk,
                    }));
                }
            }
        }
        all
    }

    /// The notes of one window, in its own time; notes struck before it have a negative onset.
    pub fn score(&self, piece: usize, chunk: usize) -> Result<Score> {
        let entry = &self.description.pieces[piece];
        let shape = &self.description.shape;
        let scores = self.description.scores(piece, &self.folder)?;
        match entry.kind {
            PieceKind::Isolated => Ok(scores[chunk].clone()),
            PieceKind::Continuous => {
                Ok(scores[0].window(chunk as f32 * shape.hop_s, shape.window_s))
            }
        }
    }

    /// Counts and the use of the image range, in a few lines.
    pub fn summary(&self) -> String {
        let counts = Split::ALL.map(|s| {
            format!("{:?} {} pieces, {} images", s, self.pieces(s).len(), self.images(s).len())
        });
        let mut histogram = [0u64; 256];
        for byte in self.tracks.iter().flatten().flat_map(|t| t.bytes.iter().step_by(7)) {
            histogram[usize::from(*byte)] += 1;
        }
        let total = histogram.iter().sum::<u64>().max(1) as f64;
        let percent = |count: u64| 100.0 * count as f64 / total;
        format!(
            "{}\npixels at 1: {:.3} %, at 0: {:.1} %",
            counts.join("\n"),
            percent(histogram[255]),
            percent(histogram[0])
        )
    }
}

impl ImageSet for SpectrogramDataset {
    fn mel(&self) -> &MelConfig {
        &self.description.mel
    }

    fn window(&self) -> &WindowConfig {
        &self.description.window
    }

    fn instruments(&self) -> &[String] {
        &self.description.instruments
    }

    fn images(&self, split: Split) -> Vec<ImageRef> {
        self.images(split)
    }

    fn image(&self, at: ImageRef) -> &[u8] {
        self.image(at)
    }

    fn sounds(&self, at: ImageRef) -> bool {
        self.sounds(at)
    }
}

/// One piece's file.
fn read_piece(description: &Description, entry: &PieceEntry, folder: &Path) -> Result<Vec<Track>> {
    let path = entry.images_path(folder);
    let bytes = std::fs::read(&path).map_err(|e| {
        Error::file(
            &path,
            format!("expected a rendered piece (run `trainer render` to the end), found: {e}"),
        )
    })?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| Error::file(&path, e))?;
    let shape = [entry.chunks, description.mel.n_mels, description.window.frames];
    let mut tracks = Vec::new();
    for setup in entry.setups {
        for instrument in description.instruments_of(entry) {
            let name = tensor_name(setup, &description.instruments[instrument]);
            let tensor = file.tensor(&name).map_err(|e| Error::file(&path, e))?;
            if tensor.shape() != shape || tensor.dtype() != Dtype::U8 {
                let reason = format!(
                    "expected {name} of bytes {shape:?}, found {:?} {:?}",
                    tensor.dtype(),
                    tensor.shape()
                );
                return Err(Error::file(&path, reason));
            }
            tracks.push(Track::new(tensor.data().to_vec(), entry.chunks));
        }
    }
    Ok(tracks)
}

impl Track {
    /// Images of equal size, one after another.
    pub(super) fn new(bytes: Vec<u8>, chunks: usize) -> Self {
        let size = bytes.len() / chunks;
        let sounds = |image: &[u8]| {
            let mean = image.iter().map(|b| f32::from(*b)).sum::<f32>() / size as f32;
            // One value throughout is silence that was measured by its own maximum.
            let varies = image.iter().any(|b| *b != image[0]);
            varies && mean >= SILENT_MEAN && image.iter().any(|b| *b >= SILENT_PEAK)
        };
        let sounding = bytes.chunks_exact(size).map(sounds).collect();
        Self { bytes, sounding }
    }

    pub(super) fn image(&self, chunk: usize) -> &[u8] {
        let size = self.bytes.len() / self.sounding.len();
        &self.bytes[chunk * size..][..size]
    }

    pub(super) fn sounds(&self, chunk: usize) -> bool {
        self.sounding[chunk]
    }
}

/// A sound: what a style and its target share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sound {
    /// Index into [`Description::setups`].
    pub setup: usize,
    /// Index into [`Description::instruments`].
    pub instrument: usize,
}

/// The pieces of a split that hold each sound: a style needs two of them.
pub(super) fn pieces_by_sound(
    dataset: &SpectrogramDataset,
    split: Split,
) -> BTreeMap<Sound, Vec<usize>> {
    let mut by_sound: BTreeMap<Sound, Vec<usize>> = BTreeMap::new();
    for piece in dataset.pieces(split) {
        let entry = &dataset.description.pieces[piece];
        let [first, second] = entry.setups;
        let setups = if first == second { vec![first] } else { vec![first, second] };
        for setup in setups {
            for instrument in dataset.description.instruments_of(entry) {
                by_sound.entry(Sound { setup, instrument }).or_default().push(piece);
            }
        }
    }
    by_sound
}
