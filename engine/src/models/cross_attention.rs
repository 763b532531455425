//! Attention over positions or style tokens, with residual, norm and a zero-initialised output.

use crate::Result;
use crate::nn::{Backend, ConvSpec};

/// Multi-head attention (Vaswani et al. 2017) of an image's positions to tokens: the style's, or its own.
///
/// The reports replace the features by the attention's output; here it is added, and starts as zero.
pub struct CrossAttention<B: Backend> {
    heads: usize,
    norm: B::Norm,
    query: B::Conv,
    key: B::Conv,
    value: B::Conv,
    out: B::Conv,
}

impl<B: Backend> CrossAttention<B> {
    /// `channels` of the image, `token_dim` of the tokens (equal to `channels` for self-attention).
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

    /// `x (B, H, W, C)`, `tokens (B or 1, 1, N, token_dim)`, or none for the image's own positions -> `(B, H, W, C)`.
    pub fn forward(&self, ops: &mut B, x: &B::Tensor, tokens: Option<&B::Tensor>) -> Result<B::Tensor> {
        let normed = ops.norm(x, &self.norm, None, false)?;
        let own = if tokens.is_none() { Some(ops.tokens(&[&normed])?) } else { None };
        let tokens = tokens.or(own.as_ref()).expect("one of the two is there");
        let query = ops.conv(&normed, &self.query)?;
        let key = ops.conv(tokens, &self.key)?;
        let value = ops.conv(tokens, &self.value)?;
        let attended = ops.attention(&query, &key, &value, self.heads)?;
        let out = ops.conv(&attended, &self.out)?;
        ops.add(x, &out)
    }
}
