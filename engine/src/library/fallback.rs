//! Networks on a device that may fail, with the same networks on the CPU as fallback.

use std::sync::{Arc, OnceLock};

use crate::config::ModelConfig;
use crate::image::MelImage;
use crate::latency_mode::LatencyMode;
use crate::models::model::{Conditioning, LatentDims};
use crate::pipeline::{TransferModel, require_finite};
use crate::style::StyleTokens;
use crate::{Error, Result};

/// The error of a device after it has failed, shared by all its streams.
#[derive(Clone, Debug, Default)]
pub struct Fault(Arc<OnceLock<String>>);

impl Fault {
    /// The error message without a full stop; `None` before a failure.
    pub fn reason(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }

    /// Records the first error.
    pub(super) fn record(&self, error: &Error) {
        // Another stream may have recorded one already.
        let _ = self.0.set(error.reason());
    }
}

/// Two instances of the same networks. After an error or a non-finite result of the first, the
/// second repeats the computation. It also does all later ones, in every stream that shares the
/// [`Fault`]. No window is lost.
pub struct Fallback {
    /// `None` after a failure, which frees its memory.
    first: Option<Box<dyn TransferModel>>,
    second: Box<dyn TransferModel>,
    fault: Fault,
}

impl Fallback {
    /// Computes with `first` until it fails.
    pub fn new(
        first: Box<dyn TransferModel>,
        second: Box<dyn TransferModel>,
        fault: &Fault,
    ) -> Self {
        Self { first: Some(first), second, fault: fault.clone() }
    }

    fn compute<T>(&mut self, work: impl Fn(&mut dyn TransferModel) -> Result<T>) -> Result<T> {
        if self.fault.reason().is_some() {
            self.first = None;
        }
        let Some(first) = &mut self.first else { return work(&mut *self.second) };
        let error = match work(&mut **first) {
            Ok(result) => return Ok(result),
            Err(error) => error,
        };
        // An error of both is an error of the input, not of the device.
        let result = work(&mut *self.second)?;
        self.fault.record(&error);
        self.first = None;
        Ok(result)
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
        self.compute(|networks| {
            let style = networks.style_tokens(images)?;
            [&style.tokens, &style.pooled]
                .into_iter()
                .try_for_each(|values| require_finite(values))?;
            Ok(style)
        })
    }

    fn encode(&mut self, image: &MelImage) -> Result<Vec<f32>> {
        self.compute(|networks| {
            let latent = networks.encode(image)?;
            require_finite(&latent).map(|()| latent)
        })
    }

    fn decode(&mut self, latent: &[f32], dims: LatentDims) -> Result<MelImage> {
        self.compute(|networks| {
            let image = networks.decode(latent, dims)?;
            require_finite(&image.data).map(|()| image)
        })
    }

    fn denoise(
        &mut self,
        noisy: &[f32],
        dims: LatentDims,
        timestep: usize,
        conditionings: &[Conditioning],
    ) -> Result<Vec<Vec<f32>>> {
        self.compute(|networks| {
            let predictions = networks.denoise(noisy, dims, timestep, conditionings)?;
            predictions.iter().try_for_each(|values| require_finite(values))?;
            Ok(predictions)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Networks with constant outputs.
    struct Constant(ModelConfig, f32);

    impl TransferModel for Constant {
        fn config(&self) -> &ModelConfig {
            &self.0
        }

        fn style_tokens(&mut self, _: &[MelImage]) -> Result<StyleTokens> {
            Ok(StyleTokens { tokens: vec![self.1], ..StyleTokens::default() })
        }

        fn encode(&mut self, _: &MelImage) -> Result<Vec<f32>> {
            Ok(vec![self.1])
        }

        fn decode(&mut self, _: &[f32], _: LatentDims) -> Result<MelImage> {
            Ok(MelImage { n_mels: 1, frames: 1, data: vec![self.1] })
        }

        fn denoise(
            &mut self,
            _: &[f32],
            _: LatentDims,
            _: usize,
            _: &[Conditioning],
        ) -> Result<Vec<Vec<f32>>> {
            Ok(vec![vec![self.1]])
        }
    }

    #[test]
    fn non_finite_results_are_faults_and_are_recomputed() {
        type Work = fn(&mut Fallback) -> f32;
        let works: [Work; 4] = [
            |networks| networks.style_tokens(&[]).expect("a style").tokens[0],
            |networks| networks.encode(&MelImage::filled(1, 1, 0.0)).expect("a latent")[0],
            |networks| networks.decode(&[0.0], [1; 3]).expect("an image").data[0],
            |networks| networks.denoise(&[0.0], [1; 3], 0, &[]).expect("a prediction")[0][0],
        ];
        for (number, work) in works.into_iter().enumerate() {
            for (value, expected) in [(f32::NAN, 0.5), (f32::INFINITY, 0.5), (0.25, 0.25)] {
                let networks = |value| Box::new(Constant(ModelConfig::default(), value));
                let fault = Fault::default();
                let mut both = Fallback::new(networks(value), networks(0.5), &fault);
                assert_eq!(work(&mut both), expected, "call {number}");
                assert_eq!(fault.reason().is_some(), !value.is_finite());
            }
        }
    }
}
