//! Trade-off between latency and quality: the windows in which a model processes a stream.
//!
//! ```
//! use engine::config::ModelConfig;
//! use engine::latency_mode::LatencyMode;
//!
//! let config = ModelConfig::default();
//! let hops = [LatencyMode::Live, LatencyMode::Balanced, LatencyMode::Quality]
//!     .map(|mode| mode.window(&config).hop_frames);
//! assert_eq!(hops, [2, 16, 112]);
//! ```

use crate::config::{ModelConfig, WindowConfig};
use crate::vocoder::guided::DEFAULT_ITERATIONS;

/// Hop of [`LatencyMode::Balanced`] in latent columns: 371 ms with the default config.
const BALANCED_HOP_COLUMNS: usize = 2;
/// Most DDIM steps in [`LatencyMode::Balanced`], which computes a whole window for each short hop.
const BALANCED_STEPS_MAX: usize = 4;
/// Hop of [`LatencyMode::Live`] in frames: 46 ms with the default config. It may be shorter than a
/// latent column because windows share no latent.
const LIVE_HOP_FRAMES: usize = 2;
/// Most DDIM steps in [`LatencyMode::Live`]; see `docs/decisions/035-latency-modes.md`.
const LIVE_STEPS_MAX: usize = 1;

/// Length and hop of a model's windows, which determine the latency. One model serves all modes.
///
/// Every window is computed from the content alone, without a clean prefix from the previous
/// output; see `docs/decisions/033-independent-windows.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LatencyMode {
    /// Half windows with a hop below one latent column, one DDIM step and no Griffin-Lim.
    Live,
    /// Whole windows with a short hop.
    Balanced,
    /// The windows of the model's config.
    Quality,
}

impl LatencyMode {
    /// The windows in this mode. A model with windows as short as the mode's keeps its own.
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

    /// A model's config with this mode's windows.
    pub fn configure(self, config: &ModelConfig) -> ModelConfig {
        ModelConfig { window: self.window(config), ..config.clone() }
    }

    /// Upper bound on the DDIM steps of a window.
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

    /// Time that a window may need to compute, as a fraction of the hop. It is part of the latency;
    /// see `docs/decisions/024-window-deadline.md`.
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

    /// From the shortest latency to the best quality.
    const ALL: [LatencyMode; 3] = [LatencyMode::Live, LatencyMode::Balanced, LatencyMode::Quality];

    #[test]
    fn every_mode_has_valid_windows() {
        let config = ModelConfig::default();
        for mode in ALL {
            mode.configure(&config).validate().expect("valid");
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
