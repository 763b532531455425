//! The size of pieces: windows, keys and the share with gestures.

use engine::config::{MelConfig, WindowConfig};
use serde::{Deserialize, Serialize};

/// Parameters of the composer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PieceShape {
    /// Length of a window, in seconds.
    pub window_s: f32,
    /// Time between the starts of two windows, in seconds.
    pub hop_s: f32,
    /// Smallest number of windows.
    pub min_chunks: usize,
    /// Largest number of windows.
    pub max_chunks: usize,
    /// Lowest key that all instruments have.
    pub lowest_key: u8,
    /// Highest key that all instruments have.
    pub highest_key: u8,
    /// Share of the pieces with gestures, 0 to 1.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub expressive: f32,
}

/// Whether serde omits the field, as in files from before the field existed.
fn is_zero(value: &f32) -> bool {
    *value == 0.0
}

impl PieceShape {
    /// Pieces of 7 to 11 windows (20 to 29 s) for these windows and keys.
    pub fn new(
        mel: &MelConfig,
        window: &WindowConfig,
        (lowest_key, highest_key): (u8, u8),
    ) -> Self {
        let seconds = |frames: usize| (frames * mel.hop_length) as f32 / mel.sample_rate_hz as f32;
        let (window_s, hop_s) = (seconds(window.frames), seconds(window.hop_frames));
        Self {
            window_s,
            hop_s,
            min_chunks: 7,
            max_chunks: 11,
            lowest_key,
            highest_key,
            expressive: 0.0,
        }
    }

    /// The same with pieces of at most `max_chunks` windows and at least two thirds of that.
    pub fn with_max_chunks(self, max_chunks: usize) -> Self {
        Self {
            min_chunks: (2 * max_chunks).div_ceil(3).min(self.min_chunks).max(1),
            max_chunks,
            ..self
        }
    }

    /// Length of a continuous piece of `chunks` windows, in seconds.
    pub fn continuous_s(&self, chunks: usize) -> f32 {
        self.window_s + (chunks - 1) as f32 * self.hop_s
    }
}
