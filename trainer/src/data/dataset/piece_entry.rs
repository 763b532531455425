//! One piece in a dataset's description.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::split::Split;
use crate::data::score::piece::PieceKind;

/// Origin of a piece's notes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScoreSource {
    /// [`compose::piece`](crate::data::score::compose::piece) with the dataset's seed and shape.
    Composed,
    /// A MIDI file of this name. The excerpt's notes are in the folder `scores`.
    Midi(String),
}

/// One piece of a dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PieceEntry {
    /// Its number, unique in the dataset.
    pub id: u64,
    /// Its split.
    pub split: Split,
    /// Whether its windows are isolated or continuous.
    pub kind: PieceKind,
    /// Number of windows.
    pub chunks: usize,
    /// The two setups that render it (indices into the description's setups).
    pub setups: [usize; 2],
    /// The instruments that render it (indices into the description's instruments, in order).
    /// Empty stands for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instruments: Vec<usize>,
    /// Origin of its notes.
    pub source: ScoreSource,
}

impl PieceEntry {
    /// Path of the piece's images in the dataset's folder.
    pub fn images_path(&self, folder: &Path) -> PathBuf {
        folder.join("pieces").join(format!("{:05}.safetensors", self.id))
    }

    /// Path of the score of a piece from a MIDI file.
    pub fn score_path(&self, folder: &Path) -> PathBuf {
        folder.join("scores").join(format!("{:05}.json", self.id))
    }
}

/// Name of the tensor with the images of one setup and instrument in a piece's file.
pub fn tensor_name(setup: usize, instrument: &str) -> String {
    format!("{setup}/{instrument}")
}
