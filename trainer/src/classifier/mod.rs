//! The instrument classifier: who is playing?
//!
//! It judges transfers (an independent ear: the transfer model never learns from its answers), and
//! its features serve as the perceptual network of the autoencoder where no VGGish weights are at
//! hand. It hears the log-mel images of its own [`MelConfig`], and it is trained with random
//! changes of level, tilt and noise, so that it listens to the timbre and not to loudness,
//! equalisation or the vocoder's noise floor.

pub mod judge;
pub mod network;

use engine::config::MelConfig;
use serde::{Deserialize, Serialize};

pub use judge::Judge;
pub use network::Classifier;

/// What a classifier's model file says about its shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierShape {
    /// Audio to image.
    pub mel: MelConfig,
    /// Frames of an image in training; other widths work.
    pub frames: usize,
    /// Channels after each stride-2 convolution, multiples of 8.
    pub channels: Vec<usize>,
    /// Labels, in the order of the logits.
    pub instruments: Vec<String>,
}

impl ClassifierShape {
    /// Refuses a shape that no network can be built from, or one of absurd size.
    pub fn validate(&self) -> engine::Result<()> {
        let refuse = |field: &str, expected: &str, found: String| {
            Err(engine::Error::checkpoint(field, expected, found))
        };
        if self.channels.is_empty() || self.channels.len() > 6 {
            return refuse("channels.len", "1 to 6", self.channels.len().to_string());
        }
        if let Some(channels) = self.channels.iter().find(|c| **c == 0 || **c > 512 || **c % 8 != 0)
        {
            return refuse("channels", "multiples of 8 up to 512", channels.to_string());
        }
        if self.instruments.is_empty() || self.instruments.len() > 64 {
            return refuse("instruments.len", "1 to 64", self.instruments.len().to_string());
        }
        if !(8..=4096).contains(&self.frames) {
            return refuse("frames", "8 to 4096", self.frames.to_string());
        }
        engine::config::ModelConfig { mel: self.mel.clone(), ..Default::default() }.validate()
    }
}
