//! The output of Basic Pitch's network, and its grid of times and keys.

use std::ops::Range;

/// Sample rate of the network's input.
pub const RATE_HZ: u32 = 22_050;
/// Samples from one frame of the posteriors to the next.
pub const FRAME_SAMPLES: usize = 256;
/// Keys: those of a piano.
pub const KEYS: usize = 88;
/// MIDI number of the lowest key.
pub const LOWEST_KEY: u8 = 21;
/// Output frames of one window.
pub const WINDOW_FRAMES: usize = 172;
/// Samples of one window.
pub const WINDOW_SAMPLES: usize = 2 * RATE_HZ as usize - FRAME_SAMPLES;

/// Posteriors of every key and frame, 0 to 1, `[frame * KEYS + key]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Posteriors {
    /// Probability that the key sounds.
    pub notes: Vec<f32>,
    /// Probability that the key starts to sound.
    pub onsets: Vec<f32>,
}

impl Posteriors {
    /// Number of frames.
    pub fn frames(&self) -> usize {
        self.notes.len() / KEYS
    }

    /// Mean note posterior of a MIDI key over some frames, the package's amplitude of a note.
    pub fn amplitude(&self, frames: Range<usize>, key: u8) -> f32 {
        let (count, column) = (frames.len().max(1), usize::from(key - LOWEST_KEY));
        frames.map(|frame| self.notes[frame * KEYS + column]).sum::<f32>() / count as f32
    }
}
