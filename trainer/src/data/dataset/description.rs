//! `dataset.json`: the complete recipe of a rendered dataset, without times or paths.

use std::path::Path;

use engine::config::{MelConfig, WindowConfig};
use engine::{Error, Result, whole_file};
use serde::{Deserialize, Serialize};

use super::piece_entry::{PieceEntry, ScoreSource};
use super::setup::Setup;
use crate::data::difference;
use crate::data::score::piece_shape::PieceShape;
use crate::data::score::{Score, compose, instruments};
use crate::data::soundfont::synth::SoundFontId;

/// Version of the layout on disk.
pub const FORMAT_VERSION: u32 = 1;
/// The description's file name.
pub const DESCRIPTION_FILE: &str = "dataset.json";

/// The content of `dataset.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// [`FORMAT_VERSION`].
    pub format: u32,
    /// The seed of all draws.
    pub seed: u64,
    /// Config of the mel images.
    pub mel: MelConfig,
    /// Windows of a continuous piece.
    pub window: WindowConfig,
    /// Instruments, in the order of `Setup::programs`.
    pub instruments: Vec<String>,
    /// Soundfonts.
    pub soundfonts: Vec<SoundFontId>,
    /// The composer's parameters.
    pub shape: PieceShape,
    /// The pool of setups.
    pub setups: Vec<Setup>,
    /// The pieces.
    pub pieces: Vec<PieceEntry>,
}

impl Description {
    /// Reads `dataset.json` in a dataset's folder.
    ///
    /// # Errors
    /// If the file is missing, of another format, or has an index out of range.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(DESCRIPTION_FILE);
        let text = std::fs::read_to_string(&path).map_err(|e| Error::file(&path, e))?;
        let description: Self = serde_json::from_str(&text).map_err(|e| {
            Error::file(
                &path,
                format!(
                    "expected a description that `trainer render` wrote, of format \
                     {FORMAT_VERSION}, found: {e}"
                ),
            )
        })?;
        if description.format != FORMAT_VERSION {
            let reason = format!("expected format {FORMAT_VERSION}, found {}", description.format);
            return Err(Error::file(&path, reason));
        }
        description.check().map_err(|reason| Error::file(&path, reason))?;
        Ok(description)
    }

    /// Checks what a hand-edited file may have wrong.
    fn check(&self) -> std::result::Result<(), String> {
        if self.window.frames == 0 {
            return Err("window.frames: expected at least 1, found 0".into());
        }
        for (i, setup) in self.setups.iter().enumerate() {
            if setup.soundfont >= self.soundfonts.len()
                || setup.programs.len() != self.instruments.len()
            {
                return Err(format!(
                    "expected setups[{i}] to fit the soundfonts and instruments, found {setup:?}"
                ));
            }
        }
        let unfit = |p: &&PieceEntry| {
            let (setups, instruments) = (self.setups.len(), self.instruments.len());
            p.chunks == 0
                || p.setups.iter().any(|s| *s >= setups)
                || p.instruments.iter().any(|i| *i >= instruments)
        };
        match self.pieces.iter().find(unfit) {
            Some(piece) => Err(format!(
                "expected pieces with chunks and with setups and instruments of the description, \
                 found {piece:?}"
            )),
            None => Ok(()),
        }
    }

    /// Indices of the instruments that render a piece.
    pub fn instruments_of(&self, entry: &PieceEntry) -> Vec<usize> {
        match entry.instruments.as_slice() {
            [] => (0..self.instruments.len()).collect(),
            some => some.to_vec(),
        }
    }

    /// The composer's parameters for a piece, with the key range that its instruments share.
    ///
    /// # Errors
    /// If an instrument does not exist, or they share too few keys.
    pub fn shape_of(&self, entry: &PieceEntry) -> Result<PieceShape> {
        if entry.instruments.is_empty() {
            return Ok(self.shape);
        }
        let instruments =
            entry.instruments.iter().map(|i| instruments::by_name(&self.instruments[*i]));
        let (lowest_key, highest_key) =
            instruments::common_range(&instruments.collect::<Result<Vec<_>>>()?)?;
        Ok(PieceShape { lowest_key, highest_key, ..self.shape })
    }

    /// The scores of piece number `index`: one for all windows, or one for each. `folder` is the
    /// dataset's.
    ///
    /// # Errors
    /// If the score of a MIDI piece cannot be read.
    pub fn scores(&self, index: usize, folder: &Path) -> Result<Vec<Score>> {
        let entry = &self.pieces[index];
        match entry.source {
            ScoreSource::Composed => {
                Ok(compose::piece(self.seed, entry.id, &self.shape_of(entry)?).scores)
            }
            ScoreSource::Midi(_) => {
                let path = entry.score_path(folder);
                let text = std::fs::read_to_string(&path).map_err(|e| Error::file(&path, e))?;
                Ok(vec![serde_json::from_str(&text).map_err(|e| Error::file(&path, e))?])
            }
        }
    }

    /// Writes `dataset.json`. An existing one must be equal, so that a run is resumed and never
    /// mixed with another.
    ///
    /// # Errors
    /// If the existing description differs, or the file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(DESCRIPTION_FILE);
        if path.exists() {
            let there = Self::read(folder)?;
            return match difference::first(self, &there) {
                None => Ok(()),
                Some((field, ..)) => {
                    let reason = format!(
                        "expected the settings of this run, found another value of {field}; \
                         choose another --out"
                    );
                    Err(Error::file(&path, reason))
                }
            };
        }
        std::fs::create_dir_all(folder.join("pieces")).map_err(|e| Error::file(folder, e))?;
        let text = serde_json::to_string_pretty(self).map_err(|e| Error::file(&path, e))?;
        whole_file::write(&path, text + "\n")
    }
}
