//! Latent to image.

use crate::Result;
use crate::config::AutoencoderConfig;
use crate::nn::layers::ResBlock;
use crate::nn::{Backend, ConvSpec};

/// The mirrored encoder: residual blocks and [`ConvSpec::upsampled`] convolutions, the last
/// doubling by [`Backend::depth_to_space`]. A linear path from latent to patches is added.
pub struct SpectrogramDecoder<B: Backend> {
    reduction: usize,
    linear: B::Conv,
    first: B::Conv,
    stages: Vec<(ResBlock<B>, Option<B::Conv>)>,
    norm: B::Norm,
    out: B::Conv,
}

impl<B: Backend> SpectrogramDecoder<B> {
    /// Builds the decoder. Its weights' names start with `name`.
    pub fn load(
        source: &mut B::Source<'_>,
        name: &str,
        config: &AutoencoderConfig,
    ) -> Result<Self> {
        let (reduction, latent) = (config.reduction(), config.latent_channels);
        let deepest = *config.channels.last().expect("validated: at least one stage");
        let linear = B::load_conv(
            source,
            &format!("{name}.linear"),
            ConvSpec::linear(latent, reduction * reduction),
        )?;
        let first =
            B::load_conv(source, &format!("{name}.first"), ConvSpec::conv(latent, deepest, 3, 1))?;
        let mut stages = Vec::new();
        for (i, &c) in config.channels.iter().enumerate().rev() {
            let res = ResBlock::load(source, &format!("{name}.res.{i}"), c, c, None)?;
            let up = match i {
                0 => None,
                _ => Some(B::load_conv(
                    source,
                    &format!("{name}.up.{i}"),
                    ConvSpec::upsampled(c, config.channels[i - 1]),
                )?),
            };
            stages.push((res, up));
        }
        let last = config.channels[0];
        Ok(Self {
            reduction,
            linear,
            first,
            stages,
            norm: B::load_norm(source, &format!("{name}.norm"), last)?,
            out: B::load_conv(
                source,
                &format!("{name}.out"),
                ConvSpec::conv(last, 4, 3, 1).zero(),
            )?,
        })
    }

    /// `latent (B, H, W, latent_channels)` -> `(B, H r, W r, 1)`, not yet clipped to `[0, 1]`.
    pub fn forward(&self, ops: &mut B, latent: &B::Tensor) -> Result<B::Tensor> {
        let patches = ops.conv(latent, &self.linear)?;
        let linear = ops.depth_to_space(&patches, self.reduction)?;
        let mut h = ops.conv(latent, &self.first)?;
        for (res, up) in &self.stages {
            h = res.forward(ops, &h, None)?;
            if let Some(up) = up {
                h = ops.conv(&h, up)?;
            }
        }
        let h = ops.norm(&h, &self.norm, None, true)?;
        let h = ops.conv(&h, &self.out)?;
        let h = ops.depth_to_space(&h, 2)?;
        ops.add(&linear, &h)
    }
}
