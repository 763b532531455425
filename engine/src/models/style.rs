//! Reference image to style tokens.

use super::position::SinusoidalPositionEmbedding;
use crate::Result;
use crate::config::StyleConfig;
use crate::nn::layers::ResBlock;
use crate::nn::{Backend, ConvSpec};

/// Second part of the instrument head's weight names.
pub const LABEL: &str = "label";

/// The output of the style encoder.
pub struct Style<B: Backend> {
    /// `(B, 1, N, dim)`: one token per position of the last resolutions, finest first.
    pub tokens: B::Tensor,
    /// `(B, 1, 1, dim)`: the pooled style vector.
    pub pooled: B::Tensor,
    /// `(B, 1, 1, instruments)`: logits of the instrument head.
    pub logits: B::Tensor,
}

/// The reports' six stride-2 convolutions, with tokens from the last resolutions, a pooled vector
/// and an instrument head; see `docs/decisions/003-style-tokens.md`.
pub struct StyleEncoder<B: Backend> {
    frequency_channels: usize,
    downs: Vec<(B::Conv, B::Norm)>,
    /// Projects the row positions to the features of the first convolution.
    position: Option<B::Conv>,
    mix: ResBlock<B>,
    heads: Vec<(B::Norm, B::Conv)>,
    pool: B::Conv,
    label: B::Conv,
}

impl<B: Backend> StyleEncoder<B> {
    /// Builds the encoder. Its weights' names start with `name`.
    pub fn load(source: &mut B::Source<'_>, name: &str, config: &StyleConfig) -> Result<Self> {
        let (mut c_in, mut downs, mut heads) = (1, Vec::new(), Vec::new());
        let first_token_level = config.channels.len() - config.token_levels;
        for (i, &c) in config.channels.iter().enumerate() {
            let conv =
                B::load_conv(source, &format!("{name}.down.{i}"), ConvSpec::conv(c_in, c, 3, 2))?;
            downs.push((conv, B::load_norm(source, &format!("{name}.norm.{i}"), c)?));
            if i >= first_token_level {
                let norm = B::load_norm(source, &format!("{name}.token_norm.{i}"), c)?;
                heads.push((
                    norm,
                    B::load_conv(
                        source,
                        &format!("{name}.token.{i}"),
                        ConvSpec::linear(c, config.dim),
                    )?,
                ));
            }
            c_in = c;
        }
        let frequency_channels = config.frequency_channels;
        let position = ConvSpec::linear(frequency_channels, config.channels[0]).zero();
        Ok(Self {
            frequency_channels,
            downs,
            position: (frequency_channels > 0)
                .then(|| B::load_conv(source, &format!("{name}.position"), position))
                .transpose()?,
            mix: ResBlock::load(source, &format!("{name}.mix"), c_in, c_in, None)?,
            heads,
            pool: B::load_conv(
                source,
                &format!("{name}.pool"),
                ConvSpec::linear(c_in, config.dim),
            )?,
            label: B::load_conv(
                source,
                &format!("{name}.{LABEL}"),
                ConvSpec::linear(config.dim, config.instruments.len()),
            )?,
        })
    }

    /// `image (B, n_mels, frames, 1)` -> tokens, pooled vector, logits.
    pub fn forward(&self, ops: &mut B, image: &B::Tensor) -> Result<Style<B>> {
        let (mut h, mut tokens) = (image.clone(), Vec::new());
        let first_token_level = self.downs.len() - self.heads.len();
        for (i, (conv, norm)) in self.downs.iter().enumerate() {
            h = ops.conv(&h, conv)?;
            h = ops.norm(&h, norm, None, true)?;
            if let (0, Some(position)) = (i, &self.position) {
                let [_, rows, ..] = ops.dims(&h);
                let positions = SinusoidalPositionEmbedding::rows(rows, self.frequency_channels);
                let positions = ops.tensor([1, rows, 1, self.frequency_channels], &positions)?;
                let positions = ops.conv(&positions, position)?;
                h = ops.add(&h, &positions)?;
            }
            if i + 1 == self.downs.len() {
                h = self.mix.forward(ops, &h, None)?;
            }
            if i >= first_token_level {
                let (norm, head) = &self.heads[i - first_token_level];
                let normed = ops.norm(&h, norm, None, false)?;
                tokens.push(ops.conv(&normed, head)?);
            }
        }
        let tokens = ops.tokens(&tokens.iter().collect::<Vec<_>>())?;
        let mean = ops.mean(&h)?;
        let pooled = ops.conv(&mean, &self.pool)?;
        let logits = ops.conv(&pooled, &self.label)?;
        Ok(Style { tokens, pooled, logits })
    }
}
