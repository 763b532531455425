//! Image to latent.

use crate::Result;
use crate::config::AutoencoderConfig;
use crate::nn::layers::ResBlock;
use crate::nn::{Backend, ConvSpec};

/// The reports' encoder (stride-2 convolutions), with residual blocks and group norms. A linear
/// path over patches is added. The linear path is initialised to the patches' principal components
/// and the convolutions' output to zero; see
/// `docs/decisions/027-autoencoder-principal-components.md`.
pub struct SpectrogramEncoder<B: Backend> {
    reduction: usize,
    linear: B::Conv,
    stages: Vec<(B::Conv, ResBlock<B>)>,
    norm: B::Norm,
    out: B::Conv,
}

impl<B: Backend> SpectrogramEncoder<B> {
    /// Builds the encoder. Its weights' names start with `name`.
    pub fn load(
        source: &mut B::Source<'_>,
        name: &str,
        config: &AutoencoderConfig,
    ) -> Result<Self> {
        let (reduction, mut c_in, mut stages) = (config.reduction(), 1, Vec::new());
        for (i, &c) in config.channels.iter().enumerate() {
            let down =
                B::load_conv(source, &format!("{name}.down.{i}"), ConvSpec::conv(c_in, c, 3, 2))?;
            stages.push((down, ResBlock::load(source, &format!("{name}.res.{i}"), c, c, None)?));
            c_in = c;
        }
        let patch = ConvSpec::linear(reduction * reduction, config.latent_channels);
        Ok(Self {
            reduction,
            linear: B::load_conv(source, &format!("{name}.linear"), patch)?,
            stages,
            norm: B::load_norm(source, &format!("{name}.norm"), c_in)?,
            out: B::load_conv(
                source,
                &format!("{name}.out"),
                ConvSpec::conv(c_in, config.latent_channels, 1, 1).zero(),
            )?,
        })
    }

    /// `image (B, n_mels, frames, 1)` -> `(B, n_mels / r, frames / r, latent_channels)`.
    pub fn forward(&self, ops: &mut B, image: &B::Tensor) -> Result<B::Tensor> {
        let patches = ops.space_to_depth(image, self.reduction)?;
        let linear = ops.conv(&patches, &self.linear)?;
        let mut h = image.clone();
        for (down, res) in &self.stages {
            h = ops.conv(&h, down)?;
            h = res.forward(ops, &h, None)?;
        }
        let h = ops.norm(&h, &self.norm, None, true)?;
        let h = ops.conv(&h, &self.out)?;
        ops.add(&linear, &h)
    }
}
