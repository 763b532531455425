//! Inputs of a training task.

use std::path::Path;

use anyhow::{Context as _, Result};
use candle_core::Device;
use engine::config::MelConfig;
use engine::nn::candle::Candle;

use crate::config::RunConfig;
use crate::losses::vggish::VggishFeatureLoss;

/// Config, device and initial weights of a task.
pub struct TaskSetup<'a> {
    /// The run's config.
    pub config: &'a RunConfig,
    /// Device of the networks.
    pub device: Device,
    /// The model file with initial weights, if any.
    pub init: Option<&'a Path>,
}

impl TaskSetup<'_> {
    /// The executor of the networks that are trained.
    pub fn executor(&self) -> Candle {
        let ops = Candle::new(self.device.clone());
        match self.config.bf16_products() {
            Some(bf16) => ops.with_kernel(bf16),
            None => ops,
        }
    }

    /// The feature loss for images of `mel`; `None` if the weight is 0.
    ///
    /// # Errors
    /// If the weight is not 0 and `feature_network` is missing or unreadable.
    pub fn feature_loss(
        &self,
        term: &str,
        weight: f64,
        mel: &MelConfig,
    ) -> Result<Option<VggishFeatureLoss>> {
        if weight == 0.0 {
            return Ok(None);
        }
        let path = &self.config.feature_network;
        anyhow::ensure!(
            !path.is_empty(),
            "loss.{term} is {weight}: expected `feature_network` (a classifier's model file or \
             converted VGGish weights), found none"
        );
        let channels = self.config.loss.channel_weights;
        let loss = VggishFeatureLoss::read(Path::new(path), mel, channels, &self.device);
        Ok(Some(loss.context("feature_network")?))
    }
}
