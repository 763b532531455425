//! How much music is waited for before it is played anew.

use crate::config::{ModelConfig, WindowConfig};
use crate::vocoder::guided::DEFAULT_ITERATIONS;

/// Latent columns by which windows move in [`LatencyMode::Balanced`], 371 ms.
const BALANCED_HOP_COLUMNS: usize = 2;
/// The most DDIM steps in [`LatencyMode::Balanced`], where a whole window is computed for every
/// short hop.
const BALANCED_STEPS_MAX: usize = 4;
/// Frames by which windows move in [`LatencyMode::Live`], 46 ms: less than a latent column, because
/// nothing but the content is handed on from window to window.
const LIVE_HOP_FRAMES: usize = 2;
/// The mean, which is what a hop has time for. It is also what comes nearest to the truth (model
/// card).
const LIVE_STEPS_MAX: usize = 1;

/// Where a model's windows lie, and so how late its output is. The same model plays in all modes.
///
/// Every window is computed from the content alone. Given what was played before as a clean prefix,
/// as training can do, windows that move by little drift away: with 14 of 16 columns given mel LSD
/// was .668 of the content's and note F1 .475, without .604 and .557 (`trainer evaluate audio
/// --items 12 --seconds 8`, 2026-11-22).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LatencyMode {
    /// Half windows that move by less than a latent column, the mean of what they may sound like,
    /// and no Griffin-Lim.
    Live,
    /// Whole windows that move by little.
    Balanced,
    /// The windows that the model was trained with.
    Quality,
}

impl LatencyMode {
    /// The windows in which a model plays. A model whose own are as short as the mode's keeps them.
    pub fn window(self, config: &ModelConfig) -> WindowConfig {
        let (own, column) = (config.window, config.autoencoder.reduction());
        let (frames, hop_frames) = match self {
            Self::Live => ((own.frames / 2).next_multiple_of(column), LIVE_HOP_FRAMES),
            Self::Balanced => (own.frames, BALANCED_HOP_COLUMNS * column),
            Self::Quality => (own.frames, own.hop_frames),
        };
        if hop_frames >= own.hop_frames || frames < 2 * column {
            return own;
        }
        WindowConfig { frames, hop_frames, overlap_frames: frames - hop_frames }
    }

    /// A model's config with the windows in which it plays.
    pub fn played(self, config: &ModelConfig) -> ModelConfig {
        ModelConfig { window: self.window(config), ..config.clone() }
    }

    /// The most DDIM steps that are taken, however many are asked for.
    pub fn steps_max(self) -> usize {
        match self {
            Self::Live => LIVE_STEPS_MAX,
            Self::Balanced => BALANCED_STEPS_MAX,
            Self::Quality => usize::MAX,
        }
    }

    /// Griffin-Lim iterations after the vocoder's gain.
    pub fn vocoder_iterations(self) -> usize {
        match self {
            Self::Live => 0,
            Self::Balanced | Self::Quality => DEFAULT_ITERATIONS,
        }
    }

    /// What a window may take to compute, as a part of the hop; it is a part of the latency.
    ///
    /// With three quarters several instances whose windows fall together may fill the machine to
    /// that part, and none is late. A short hop is little beside what a system's scheduler takes
    /// away at times, so it has all of it.
    pub fn deadline_of_hop(self) -> f64 {
        match self {
            Self::Live => 1.0,
            Self::Balanced | Self::Quality => 0.75,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the fastest answer to the best sound.
    const ALL: [LatencyMode; 3] = [LatencyMode::Live, LatencyMode::Balanced, LatencyMode::Quality];

    #[test]
    fn every_mode_has_valid_windows_the_shorter_the_hop_the_sooner() {
        let config = ModelConfig::default();
        for mode in ALL {
            mode.played(&config).validate().expect("valid");
        }
        let windows = ALL.map(|mode| mode.window(&config));
        let [live, balanced, quality] = windows.map(|w| (w.frames, w.hop_frames, w.overlap_frames));
        assert_eq!([live, balanced, quality], [(64, 2, 62), (128, 16, 112), (128, 112, 16)]);
    }

    #[test]
    fn short_windows_are_kept() {
        let window = WindowConfig { frames: 16, hop_frames: 8, overlap_frames: 8 };
        let config = ModelConfig { window, ..ModelConfig::default() };
        assert!(ALL.iter().all(|mode| mode.window(&config) == config.window));
    }
}
