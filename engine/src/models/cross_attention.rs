//! Attention to positions or style tokens, with residual, norm and a zero-initialised output.

use crate::Result;
use crate::nn::{Backend, ConvSpec};

/// Multi-head attention (Vaswani et al. 2017) of an image's positions to tokens: the style's
/// tokens, or the image's own positions.
///
/// The reports replace the features by the attention's output. Here the output is added, and its
/// layer is initialised to zero.
pub struct CrossAttention<B: Backend> {
    heads: usize,
    norm: B::Norm,
    query: B::Conv,
    key: B::Conv,
    value: B::Conv,
    out: B::Conv,
}

/// Keys and values of tokens, each `(B or 1, 1, N, C)`.
pub struct KeyValues<B: Backend> {
    keys: B::Tensor,
    values: B::Tensor,
}

impl<B: Backend> CrossAttention<B> {
    /// `channels` of the image and `token_dim` of the tokens, which is `channels` for
    /// self-attention.
    pub fn load(
        source: &mut B::Source<'_>,
        name: &str,
        channels: usize,
        token_dim: usize,
        heads: usize,
    ) -> Result<Self> {
        let mut linear = |part: &str, spec| B::load_conv(source, &format!("{name}.{part}"), spec);
        Ok(Self {
            heads,
            query: linear("query", ConvSpec::linear(channels, channels).no_bias())?,
            key: linear("key", ConvSpec::linear(token_dim, channels).no_bias())?,
            value: linear("value", ConvSpec::linear(token_dim, channels).no_bias())?,
            out: linear("out", ConvSpec::linear(channels, channels).zero())?,
            norm: B::load_norm(source, &format!("{name}.norm"), channels)?,
        })
    }

    /// Computes the keys and values of `tokens (B or 1, 1, N, token_dim)`, which do not depend on
    /// `x`.
    pub fn key_values(&self, ops: &mut B, tokens: &B::Tensor) -> Result<KeyValues<B>> {
        Ok(KeyValues { keys: ops.conv(tokens, &self.key)?, values: ops.conv(tokens, &self.value)? })
    }

    /// `x (B, H, W, C)` -> `(B, H, W, C)`. Attends to `key_values`, or to the positions of `x` if
    /// `None`.
    pub fn forward(
        &self,
        ops: &mut B,
        x: &B::Tensor,
        key_values: Option<&KeyValues<B>>,
    ) -> Result<B::Tensor> {
        let normed = ops.norm(x, &self.norm, None, false)?;
        let query = ops.conv(&normed, &self.query)?;
        let own;
        let KeyValues { keys, values } = match key_values {
            Some(key_values) => key_values,
            None => {
                let positions = ops.tokens(&[&normed])?;
                own = self.key_values(ops, &positions)?;
                &own
            }
        };
        let attended = ops.attention(&query, keys, values, self.heads)?;
        ops.conv_onto(x, &attended, &self.out)
    }
}
