//! The network: stride-2 convolutions with group norm, a mean over all positions, and one linear
//! layer.

use engine::Result;
use engine::nn::{Backend, ConvSpec};

use super::ClassifierShape;

/// Name prefix of the classifier's weights.
pub const CLASSIFIER: &str = "classifier";

/// The network on one executor.
pub struct Classifier<B: Backend> {
    stages: Vec<(B::Conv, B::Norm)>,
    label: B::Conv,
}

impl<B: Backend> Classifier<B> {
    /// Builds the network.
    ///
    /// # Errors
    /// If a weight is missing or has another shape.
    pub fn load(source: &mut B::Source<'_>, shape: &ClassifierShape) -> Result<Self> {
        let (mut c_in, mut stages) = (1, Vec::new());
        for (i, &c) in shape.channels.iter().enumerate() {
            let conv = B::load_conv(
                source,
                &format!("{CLASSIFIER}.down.{i}"),
                ConvSpec::conv(c_in, c, 3, 2),
            )?;
            stages.push((conv, B::load_norm(source, &format!("{CLASSIFIER}.norm.{i}"), c)?));
            c_in = c;
        }
        let spec = ConvSpec::linear(c_in, shape.instruments.len());
        Ok(Self { stages, label: B::load_conv(source, &format!("{CLASSIFIER}.label"), spec)? })
    }

    /// The activations of every stage, finest first: `image (B, n_mels, frames, 1)` ->
    /// `(B, H, W, C)` each.
    pub fn features(&self, ops: &mut B, image: &B::Tensor) -> Result<Vec<B::Tensor>> {
        let (mut h, mut features) = (image.clone(), Vec::with_capacity(self.stages.len()));
        for (conv, norm) in &self.stages {
            h = ops.conv(&h, conv)?;
            h = ops.norm(&h, norm, None, true)?;
            features.push(h.clone());
        }
        Ok(features)
    }

    /// `image (B, n_mels, frames, 1)` -> logits `(B, 1, 1, instruments)`.
    pub fn forward(&self, ops: &mut B, image: &B::Tensor) -> Result<B::Tensor> {
        let features = self.features(ops, image)?;
        let mean = ops.mean(features.last().expect("a validated shape has a stage"))?;
        ops.conv(&mean, &self.label)
    }
}
