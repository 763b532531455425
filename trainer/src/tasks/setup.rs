//! What a training task is made from.

use std::path::Path;

use anyhow::{Context as _, Result};
use candle_core::Device;
use engine::config::MelConfig;
use engine::nn::candle::Candle;

use crate::config::RunConfig;
use crate::losses::vggish::VggishFeatureLoss;

/// Config, device and first weights of a task.
pub struct Setup<'a> {
    /// The run's config.
    pub config: &'a RunConfig,
    /// Where the networks live.
    pub device: Device,
    /// The model file to start from.
    pub init: Option<&'a Path>,
}

impl Setup<'_> {
    /// What computes the networks that are trained.
    pub fn executor(&self) -> Candle {
        let ops = Candle::new(self.device.clone());
        match self.config.bf16_products() {
            Some(bf16) => ops.in_bf16(bf16),
            None => ops,
        }
    }

    /// The feature loss of this weight, for images of `mel`; none for weight 0.
    pub fn listener(
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
            "loss.{term} is {weight}: expected `feature_network` to name a classifier's model file or converted VGGish \
             weights, found none"
        );
        let channels = self.config.loss.channel_weights;
        let listener = VggishFeatureLoss::read(Path::new(path), mel, channels, &self.device);
        Ok(Some(listener.context("feature_network")?))
    }
}
