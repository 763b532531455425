//! What a training task is made from.

use std::path::Path;

use anyhow::{Context as _, Result};
use candle_core::Device;

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
    /// The network that a feature loss of this weight listens through; none for weight 0.
    pub fn listener(&self, term: &str, weight: f64) -> Result<Option<VggishFeatureLoss>> {
        if weight == 0.0 {
            return Ok(None);
        }
        let path = &self.config.feature_network;
        anyhow::ensure!(
            !path.is_empty(),
            "loss.{term} is {weight}: expected `feature_network` to name a classifier's model file, found none"
        );
        Ok(Some(VggishFeatureLoss::read(Path::new(path), &self.device).context("feature_network")?))
    }
}
