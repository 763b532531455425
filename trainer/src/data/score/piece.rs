//! A piece: scores for the windows of a dataset.

use serde::{Deserialize, Serialize};

use super::Score;

/// How a piece is divided into windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PieceKind {
    /// Every window is a score of its own with silence before and after.
    Isolated,
    /// One score, cut into overlapping windows as in the real-time stream.
    Continuous,
}

/// A piece with its scores.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    /// How it is divided into windows.
    pub kind: PieceKind,
    /// Number of windows.
    pub chunks: usize,
    /// One score for each window (isolated) or one for all (continuous).
    pub scores: Vec<Score>,
}
