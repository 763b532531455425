//! What Basic Pitch's network says of a recording, and on which grid of times and keys.

use std::ops::Range;

/// The rate of the audio that the network hears.
pub const RATE_HZ: u32 = 22_050;
/// Samples from one frame of the posteriors to the next.
pub const FRAME_SAMPLES: usize = 256;
/// Keys of the posteriors: those of a piano.
pub const KEYS: usize = 88;
/// MIDI number of the first of them.
pub const LOWEST_KEY: u8 = 21;
/// Frames that the network gives for one window.
pub const WINDOW_FRAMES: usize = 172;
/// Samples of one window.
pub const WINDOW_SAMPLES: usize = 2 * RATE_HZ as usize - FRAME_SAMPLES;

/// What the network says of every key and frame, in `[0, 1]`, `[frame * KEYS + key]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Posteriors {
    /// Whether the key sounds.
    pub notes: Vec<f32>,
    /// Whether the key begins to sound.
    pub onsets: Vec<f32>,
}

impl Posteriors {
    /// How many frames there are.
    pub fn frames(&self) -> usize {
        self.notes.len() / KEYS
    }

    /// How surely a MIDI key sounds, on average over some frames; the package's amplitude of a
    /// note.
    pub fn amplitude(&self, frames: Range<usize>, key: u8) -> f32 {
        let (count, column) = (frames.len().max(1), usize::from(key - LOWEST_KEY));
        frames.map(|frame| self.notes[frame * KEYS + column]).sum::<f32>() / count as f32
    }
}
