//! The instrument classifier.
//!
//! It judges transfers: no loss of the transfer model uses its output. Where VGGish weights are not
//! available, another classifier is the feature network of the perceptual losses. The input is a
//! log-mel image of the classifier's own [`MelConfig`]. Training changes level, tilt and noise at
//! random. The network then depends on the timbre, and less on loudness, equalisation and the
//! vocoder's noise floor.

pub mod judge;
pub mod network;

use engine::config::MelConfig;
use serde::{Deserialize, Serialize};

pub use judge::Judge;
pub use network::Classifier;

/// The config of a classifier's model file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierShape {
    /// Front end, from audio to image.
    pub mel: MelConfig,
    /// Frames of a training image. Other widths are allowed.
    pub frames: usize,
    /// Channels after each stride-2 convolution, multiples of 8.
    pub channels: Vec<usize>,
    /// Labels, in the order of the logits.
    pub instruments: Vec<String>,
}

impl ClassifierShape {
    /// Checks the shape.
    ///
    /// # Errors
    /// If a field is out of range.
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
