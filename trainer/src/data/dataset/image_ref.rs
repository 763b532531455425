//! Identifies one image of a dataset.

/// One image, by index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageRef {
    /// Index of the dataset among those of a training run; 0 for a single dataset.
    pub dataset: usize,
    /// Index of the piece in the dataset's description (not the piece's id), or of the recording.
    pub piece: usize,
    /// Index of the setup, one of the piece's two; 0 for a recording.
    pub setup: usize,
    /// Index of the instrument in the dataset's own list.
    pub instrument: usize,
    /// Index of the window in the piece.
    pub chunk: usize,
}
