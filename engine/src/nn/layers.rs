//! Layers composed of [`Backend`] operations.
//!
//! ```
//! use engine::nn::Backend;
//! use engine::nn::layers::ResBlock;
//! use engine::nn::packed::{Packed, TensorSource};
//!
//! /// Zero for every weight of a block with 8 channels.
//! struct Zeros;
//!
//! impl TensorSource for Zeros {
//!     fn get(&self, name: &str) -> Option<(&[usize], &[f32])> {
//!         let conv = name.contains("conv") && name.ends_with("weight");
//!         Some(if conv { (&[8, 8, 3, 3], &[0.0; 576]) } else { (&[8], &[0.0; 8]) })
//!     }
//! }
//!
//! let block = ResBlock::<Packed>::load(&mut (&Zeros as &dyn TensorSource), "block", 8, 8, None)?;
//! let mut ops = Packed::default();
//! let x = ops.tensor([1, 2, 2, 8], &[0.5; 32])?;
//! let y = block.forward(&mut ops, &x, None)?;
//! assert_eq!(ops.data(&y)?, [0.5; 32], "the residual branch adds zero");
//! # Ok::<(), engine::Error>(())
//! ```

use super::backend::{Backend, ConvSpec};
use crate::Result;

/// Residual block: `skip(x) + conv2(silu(norm2(conv1(silu(norm1(x)))) * (1 + scale) + shift))`.
///
/// Scale and shift are computed from an embedding, if the block has one (adaptive group
/// normalisation, Dhariwal and Nichol 2021).
pub struct ResBlock<B: Backend> {
    norm1: B::Norm,
    conv1: B::Conv,
    embedding: Option<B::Conv>,
    norm2: B::Norm,
    conv2: B::Conv,
    skip: Option<B::Conv>,
}

impl<B: Backend> ResBlock<B> {
    /// `c_in -> c_out`. `embedding` is the width of the embedding, or `None` without modulation.
    pub fn load(
        source: &mut B::Source<'_>,
        name: &str,
        c_in: usize,
        c_out: usize,
        embedding: Option<usize>,
    ) -> Result<Self> {
        let skip = ConvSpec::conv(c_in, c_out, 1, 1);
        Ok(Self {
            norm1: B::load_norm(source, &format!("{name}.norm1"), c_in)?,
            conv1: B::load_conv(
                source,
                &format!("{name}.conv1"),
                ConvSpec::conv(c_in, c_out, 3, 1),
            )?,
            embedding: embedding
                .map(|e| {
                    B::load_conv(
                        source,
                        &format!("{name}.embedding"),
                        ConvSpec::linear(e, 2 * c_out),
                    )
                })
                .transpose()?,
            norm2: B::load_norm(source, &format!("{name}.norm2"), c_out)?,
            conv2: B::load_conv(
                source,
                &format!("{name}.conv2"),
                ConvSpec::conv(c_out, c_out, 3, 1).zero(),
            )?,
            skip: (c_in != c_out)
                .then(|| B::load_conv(source, &format!("{name}.skip"), skip))
                .transpose()?,
        })
    }

    /// `x (B, H, W, c_in)`, `embedding (B, 1, 1, E)` -> `(B, H, W, c_out)`.
    pub fn forward(
        &self,
        ops: &mut B,
        x: &B::Tensor,
        embedding: Option<&B::Tensor>,
    ) -> Result<B::Tensor> {
        let h = ops.norm(x, &self.norm1, None, true)?;
        let h = ops.conv(&h, &self.conv1)?;
        let modulation = match (&self.embedding, embedding) {
            (Some(layer), Some(embedding)) => Some(ops.conv(embedding, layer)?),
            _ => None,
        };
        let h = ops.norm(&h, &self.norm2, modulation.as_ref(), true)?;
        match &self.skip {
            Some(skip) => {
                let x = ops.conv(x, skip)?;
                ops.conv_onto(&x, &h, &self.conv2)
            }
            None => ops.conv_onto(x, &h, &self.conv2),
        }
    }
}
