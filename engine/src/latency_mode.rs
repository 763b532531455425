//! How much music is waited for before it is played anew.

use crate::config::{ModelConfig, WindowConfig};

/// Latent columns by which windows move in [`LatencyMode::Live`].
const LIVE_HOP_COLUMNS: usize = 2;
/// The most DDIM steps in [`LatencyMode::Live`], where a whole window is computed for every short hop.
const LIVE_STEPS_MAX: usize = 4;

/// Where a model's windows lie, and so how late its output is. The same model plays in all modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LatencyMode {
    /// Whole windows that move by little: all but the newest part was played before, and is given as it is (inpainting).
    Live,
    /// Windows of half the length.
    Balanced,
    /// The windows that the model was trained with.
    Quality,
}

impl LatencyMode {
    /// The windows in which a model plays. A model whose own are as short as the mode's keeps them.
    pub fn window(self, config: &ModelConfig) -> WindowConfig {
        let (own, column) = (config.window, config.autoencoder.reduction());
        let hop_frames = match self {
            Self::Live => LIVE_HOP_COLUMNS * column,
            Self::Balanced => (own.frames / 2).saturating_sub(own.prefix_frames),
            Self::Quality => own.hop_frames,
        };
        if hop_frames == 0 || hop_frames >= own.hop_frames || !hop_frames.is_multiple_of(column) {
            return own;
        }
        match self {
            Self::Balanced => WindowConfig { frames: hop_frames + own.prefix_frames, hop_frames, ..own },
            _ => WindowConfig { hop_frames, prefix_frames: own.frames - hop_frames, ..own },
        }
    }

    /// A model's config with the windows in which it plays.
    pub fn played(self, config: &ModelConfig) -> ModelConfig {
        ModelConfig { window: self.window(config), ..config.clone() }
    }

    /// The most DDIM steps that are taken, however many are asked for.
    pub fn steps_max(self) -> usize {
        match self {
            Self::Live => LIVE_STEPS_MAX,
            Self::Balanced | Self::Quality => usize::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the fastest answer to the best sound.
    const ALL: [LatencyMode; 3] = [LatencyMode::Live, LatencyMode::Balanced, LatencyMode::Quality];

    #[test]
    fn every_mode_has_valid_windows_the_shorter_the_sooner() {
        let config = ModelConfig::default();
        for mode in ALL {
            mode.played(&config).validate().expect("valid");
        }
        let windows = ALL.map(|mode| mode.window(&config));
        let [live, balanced, quality] = windows.map(|w| (w.frames, w.hop_frames, w.prefix_frames));
        assert_eq!([live, balanced, quality], [(128, 16, 112), (64, 48, 16), (128, 112, 16)]);
    }

    #[test]
    fn short_windows_are_kept() {
        let window = WindowConfig { frames: 16, hop_frames: 8, prefix_frames: 8 };
        let config = ModelConfig { window, ..ModelConfig::default() };
        assert!(ALL.iter().all(|mode| mode.window(&config) == config.window));
    }
}
