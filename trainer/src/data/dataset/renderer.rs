//! Images of a dataset's pieces: what [`super::render`] writes to disk and [`super::online_rendering`] gives
//! to training.

use std::path::{Path, PathBuf};

use engine::Result;
use rand_chacha::ChaCha8Rng;

use super::compose::Piece;
use super::description::{Description, PieceEntry, Setup};
use super::imager::Imager;
use super::synth::SoundBank;

/// A dataset's description with its soundfonts in memory, shared by all threads.
pub struct Renderer {
    /// What the dataset is made from.
    pub description: Description,
    /// In the order of [`Description::soundfonts`].
    banks: Vec<SoundBank>,
}

impl Renderer {
    /// For a description, with its soundfonts in its order.
    pub fn new(description: Description, banks: Vec<SoundBank>) -> Self {
        Self { description, banks }
    }

    /// For the dataset in a folder, with its soundfonts among those that a field gave.
    ///
    /// # Errors
    /// If the dataset or a soundfont cannot be read, or one is missing.
    pub fn open(folder: &Path, soundfonts: &[PathBuf], field: &str) -> Result<Self> {
        let description = Description::read(folder)?;
        let banks = SoundBank::open_all(&description.soundfonts, soundfonts, field)?;
        Ok(Self::new(description, banks))
    }

    /// The soundfont of a setup.
    pub fn bank(&self, setup: &Setup) -> &SoundBank {
        &self.banks[setup.soundfont]
    }

    /// The notes of piece number `index` (`folder` is the dataset's).
    pub fn piece(&self, index: usize, folder: &Path) -> Result<Piece> {
        let entry = &self.description.pieces[index];
        let scores = self.description.scores(index, folder)?;
        Ok(Piece { kind: entry.kind, chunks: entry.chunks, scores })
    }

    /// A piece in a setup, on each of its instruments in order: `chunks * n_mels * frames` bytes.
    /// `noise` is the recording noise of an instrument, by its index.
    pub fn images(
        &self,
        imager: &mut Imager,
        entry: &PieceEntry,
        piece: &Piece,
        setup: &Setup,
        noise: impl Fn(usize) -> ChaCha8Rng,
    ) -> Result<Vec<Vec<u8>>> {
        let mut player = self.bank(setup).player()?;
        let instruments = self.description.instruments_of(entry).into_iter();
        instruments
            .map(|i| {
                imager.images(piece, &mut player, setup.programs[i], &setup.chain, &mut noise(i))
            })
            .collect()
    }
}
