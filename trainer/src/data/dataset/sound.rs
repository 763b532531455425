//! A sound: setup and instrument.

use std::collections::BTreeMap;

use super::spectrogram_dataset::SpectrogramDataset;
use super::split::Split;

/// What a style and its target have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sound {
    /// Index into the description's setups.
    pub setup: usize,
    /// Index into the description's instruments.
    pub instrument: usize,
}

/// The pieces of a split with each sound. A style needs a sound with two pieces.
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
