//! The student report's `SpectrogramDataset`: every image of a rendered dataset, in memory.

use std::path::{Path, PathBuf};

use engine::config::{MelConfig, WindowConfig};
use engine::{Error, Result};
use rayon::prelude::*;
use safetensors::{Dtype, SafeTensors};

use super::description::Description;
use super::image_ref::ImageRef;
use super::image_set::ImageSet;
use super::piece_entry::{PieceEntry, tensor_name};
use super::split::Split;
use super::track::Track;
use crate::data::score::Score;
use crate::data::score::piece::PieceKind;

/// One byte in so many is counted for the histogram of [`SpectrogramDataset::summary`].
const HISTOGRAM_STRIDE: usize = 7;

/// Images and their description.
pub struct SpectrogramDataset {
    /// What was rendered.
    pub description: Description,
    folder: PathBuf,
    /// [`ImageRef::dataset`] of the images.
    index: usize,
    /// By piece; for each piece by setup, then by instrument.
    tracks: Vec<Vec<Track>>,
}

impl SpectrogramDataset {
    /// Reads a whole dataset (16 KiB for each image).
    ///
    /// # Errors
    /// If a file is missing or damaged, or `trainer render` did not finish.
    pub fn open(folder: &Path) -> Result<Self> {
        let description = Description::read(folder)?;
        let read = |entry: &PieceEntry| read_piece(&description, entry, folder);
        let tracks = description.pieces.par_iter().map(read).collect::<Result<_>>()?;
        Ok(Self { description, folder: folder.to_path_buf(), index: 0, tracks })
    }

    /// The same dataset as number `index` of a training run.
    pub fn with_index(self, index: usize) -> Self {
        Self { index, ..self }
    }

    /// One image: `n_mels` rows of `frames` bytes, 255 for 1.0, the lowest band first.
    ///
    /// # Panics
    /// If the piece has no such setup, instrument or window.
    pub fn image(&self, at: ImageRef) -> &[u8] {
        self.track(at).image(at.chunk)
    }

    /// Appends an image as values in `[0, 1]` to `out`.
    pub fn extend_f32(&self, at: ImageRef, out: &mut Vec<f32>) {
        out.extend(self.image(at).iter().map(|b| f32::from(*b) / 255.0));
    }

    /// Whether an image has sound in it.
    pub fn sounds(&self, at: ImageRef) -> bool {
        self.track(at).sounds(at.chunk)
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
                    let first = self.image_ref(piece, setup, instrument, 0);
                    all.extend((0..entry.chunks).map(|chunk| ImageRef { chunk, ..first }));
                }
            }
        }
        all
    }

    /// One image of this dataset, by index.
    pub fn image_ref(
        &self,
        piece: usize,
        setup: usize,
        instrument: usize,
        chunk: usize,
    ) -> ImageRef {
        ImageRef { dataset: self.index, piece, setup, instrument, chunk }
    }

    /// The notes of one window, timed from its start. Notes that began earlier have a negative
    /// onset.
    ///
    /// # Errors
    /// If the score cannot be read.
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

    /// Pieces and images of each split, and the shares of saturated and of empty pixels.
    pub fn summary(&self) -> String {
        let counts = Split::ALL.map(|s| {
            format!("{:?} {} pieces, {} images", s, self.pieces(s).len(), self.images(s).len())
        });
        let mut histogram = [0u64; 256];
        let tracks = self.tracks.iter().flatten();
        for byte in tracks.flat_map(|t| t.bytes().iter().step_by(HISTOGRAM_STRIDE)) {
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

/// Reads the file of one piece.
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
