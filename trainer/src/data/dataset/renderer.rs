//! Renders the images of a dataset's pieces.
//!
//! [`render`](super::render) writes them to disk.

use std::path::{Path, PathBuf};

use engine::Result;
use rand_chacha::ChaCha8Rng;

use super::description::Description;
use super::imager::Imager;
use super::piece_entry::PieceEntry;
use super::setup::Setup;
use crate::data::score::piece::Piece;
use crate::data::soundfont::synth::SoundBank;

/// A dataset's description with its soundfonts in memory, shared by all threads.
pub struct Renderer {
    /// The dataset's description.
    pub description: Description,
    /// In the order of [`Description::soundfonts`].
    banks: Vec<SoundBank>,
}

impl Renderer {
    /// For a description and its soundfonts, in its order.
    pub fn new(description: Description, banks: Vec<SoundBank>) -> Self {
        Self { description, banks }
    }

    /// For the dataset in a folder. `soundfonts` are the files that the option or config field
    /// `field` lists, in any order.
    ///
    /// # Errors
    /// If the dataset or a soundfont cannot be read, or a soundfont of the dataset is missing.
    pub fn open(folder: &Path, soundfonts: &[PathBuf], field: &str) -> Result<Self> {
        let description = Description::read(folder)?;
        let banks = SoundBank::open_all(&description.soundfonts, soundfonts, field)?;
        Ok(Self::new(description, banks))
    }

    /// The soundfont of a setup.
    pub fn bank(&self, setup: &Setup) -> &SoundBank {
        &self.banks[setup.soundfont]
    }

    /// The scores of piece number `index`; `folder` is the dataset's.
    ///
    /// # Errors
    /// If a score cannot be read.
    pub fn piece(&self, index: usize, folder: &Path) -> Result<Piece> {
        let entry = &self.description.pieces[index];
        let scores = self.description.scores(index, folder)?;
        Ok(Piece { kind: entry.kind, chunks: entry.chunks, scores })
    }

    /// The images of a piece in a setup: for each of its instruments, in order,
    /// `chunks * n_mels * frames` bytes. `noise` returns the generator of the recording noise for
    /// an instrument's index.
    ///
    /// # Errors
    /// If the synthesiser cannot be created.
    pub fn images(
        &self,
        imager: &mut Imager,
        entry: &PieceEntry,
        piece: &Piece,
        setup: &Setup,
        noise: impl Fn(usize) -> ChaCha8Rng,
    ) -> Result<Vec<Vec<u8>>> {
        let mut voice = self.bank(setup).voice()?;
        let instruments = self.description.instruments_of(entry).into_iter();
        instruments
            .map(|i| {
                imager.images(piece, &mut voice, setup.programs[i], &setup.chain, &mut noise(i))
            })
            .collect()
    }
}
