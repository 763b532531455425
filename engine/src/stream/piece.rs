//! The pieces that the audio thread cuts a block into.

use std::ops::Range;

/// The largest piece of a block that is processed at once, in samples. The audio thread's buffers
/// have this length; a block can have any length.
pub const MAX_PIECE_SAMPLES: usize = 512;

/// The pieces of a block of `len` samples.
pub fn pieces(len: usize) -> impl Iterator<Item = Range<usize>> {
    (0..len).step_by(MAX_PIECE_SAMPLES).map(move |start| start..len.min(start + MAX_PIECE_SAMPLES))
}
