//! A device that may give up, in front of one that does not.

use std::sync::{Arc, OnceLock};

use crate::config::ModelConfig;
use crate::image::MelImage;
use crate::latency_mode::LatencyMode;
use crate::models::model::{Guide, LatentDims};
use crate::pipeline::TransferModel;
use crate::style::StyleTokens;
use crate::{Error, Result};

/// Why a device gave up, once it has: for all streams that play on it.
#[derive(Clone, Debug, Default)]
pub struct Fault(Arc<OnceLock<String>>);

impl Fault {
    /// The reason in one sentence without its end; none while all is well.
    pub fn reason(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }

    /// Remembers the first.
    pub(super) fn occurred(&self, error: &Error) {
        // Another stream may have been quicker.
        let _ = self.0.set(error.reason());
    }
}

/// The same networks twice. What the first fails at is computed by the second, and so is everything after it, in every
/// stream that shares the [`Fault`]: no window is lost.
pub struct Fallback {
    /// None once it has given up: its memory is free.
    first: Option<Box<dyn TransferModel>>,
    second: Box<dyn TransferModel>,
    fault: Fault,
}

impl Fallback {
    /// Computes with `first` until there is a fault.
    pub fn new(first: Box<dyn TransferModel>, second: Box<dyn TransferModel>, fault: &Fault) -> Self {
        Self { first: Some(first), second, fault: fault.clone() }
    }

    fn compute<T>(&mut self, work: impl Fn(&mut dyn TransferModel) -> Result<T>) -> Result<T> {
        if self.fault.reason().is_some() {
            self.first = None;
        }
        let Some(first) = &mut self.first else { return work(&mut *self.second) };
        let error = match work(&mut **first) {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        // What neither can do is no fault of the first.
        let done = work(&mut *self.second)?;
        self.fault.occurred(&error);
        self.first = None;
        Ok(done)
    }
}

impl TransferModel for Fallback {
    fn config(&self) -> &ModelConfig {
        self.second.config()
    }

    fn mode(&self) -> LatencyMode {
        self.second.mode()
    }

    fn style_tokens(&mut self, images: &[MelImage]) -> Result<StyleTokens> {
        self.compute(|networks| networks.style_tokens(images))
    }

    fn encode(&mut self, image: &MelImage) -> Result<Vec<f32>> {
        self.compute(|networks| networks.encode(image))
    }

    fn decode(&mut self, latent: &[f32], dims: LatentDims) -> Result<MelImage> {
        self.compute(|networks| networks.decode(latent, dims))
    }

    fn denoise(
        &mut self,
        noisy: &[f32],
        dims: LatentDims,
        timestep: usize,
        guides: &[Guide],
    ) -> Result<Vec<Vec<f32>>> {
        self.compute(|networks| networks.denoise(noisy, dims, timestep, guides))
    }
}
