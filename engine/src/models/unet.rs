//! The denoiser.

use super::cross_attention::{CrossAttention, KeyValues};
use super::position::SinusoidalPositionEmbedding;
use crate::config::{ModelConfig, UNetConfig};
use crate::nn::layers::ResBlock;
use crate::nn::{Backend, ConvSpec};
use crate::style::profile::BAND_STATISTICS;
use crate::{Error, Result};

/// The denoiser's inputs other than the noisy latent.
pub struct Conditions<'a, B: Backend> {
    /// `(B, H, W, latent)`: the content, zero if it was dropped.
    pub content: &'a B::Tensor,
    /// `(B, H, W, 2)`: channel 0 is 1 where the noisy latent holds the clean prefix, channel 1 is 1
    /// if there is content.
    pub mask: &'a B::Tensor,
    /// `(B, 1, 1, 128)`: [`SinusoidalPositionEmbedding`] of the timestep.
    pub timestep: &'a B::Tensor,
    /// From [`UNet::precompute_style`].
    pub style: &'a StyleKv<B>,
}

/// The denoiser's precomputed style, which depends on neither timestep nor content.
pub struct StyleKv<B: Backend> {
    /// One per cross-attention, in order of evaluation.
    attentions: Vec<KeyValues<B>>,
    /// `(B, 1, 1, E)`: the pooled style's part of the embedding.
    pooled: B::Tensor,
    /// `(B, H, 1, C)`: added to the features of each row, from the spectral profile.
    profile: Option<B::Tensor>,
}

/// Channels of [`Conditions::mask`].
pub const MASK_CHANNELS: usize = 2;

/// The blocks of one resolution.
struct Stage<B: Backend> {
    blocks: Vec<ResBlock<B>>,
    attention: Option<(CrossAttention<B>, CrossAttention<B>)>,
}

impl<B: Backend> Stage<B> {
    fn load(
        source: &mut B::Source<'_>,
        name: &str,
        unet: &UNetConfig,
        style: usize,
        level: usize,
        c_in: usize,
    ) -> Result<Self> {
        let (c, mut blocks) = (unet.channels[level], Vec::new());
        for i in 0..unet.res_blocks {
            let c_in = if i == 0 { c_in } else { c };
            blocks.push(ResBlock::load(
                source,
                &format!("{name}.res.{i}"),
                c_in,
                c,
                Some(unet.embedding),
            )?);
        }
        let attention = match unet.attention[level] {
            true => Some((
                CrossAttention::load(source, &format!("{name}.self_attention"), c, c, unet.heads)?,
                CrossAttention::load(
                    source,
                    &format!("{name}.cross_attention"),
                    c,
                    style,
                    unet.heads,
                )?,
            )),
            false => None,
        };
        Ok(Self { blocks, attention })
    }

    fn forward(
        &self,
        ops: &mut B,
        x: &B::Tensor,
        embedding: &B::Tensor,
        key_values: &mut std::slice::Iter<'_, KeyValues<B>>,
    ) -> Result<B::Tensor> {
        let mut h = x.clone();
        for (i, block) in self.blocks.iter().enumerate() {
            h = block.forward(ops, &h, Some(embedding))?;
            if let (0, Some((own, cross))) = (i, &self.attention) {
                h = own.forward(ops, &h, None)?;
                h = cross.forward(ops, &h, key_values.next())?;
            }
        }
        Ok(h)
    }
}

/// Network for a style's spectral profile: convolutions along the rows, and a linear layer
/// initialised to zero. The width is 1, so that only the middle column of the kernels is used.
struct ProfileNetwork<B: Backend> {
    convs: [B::Conv; 2],
    out: B::Conv,
}

impl<B: Backend> ProfileNetwork<B> {
    fn load(
        source: &mut B::Source<'_>,
        name: &str,
        c_in: usize,
        width: usize,
        c_out: usize,
    ) -> Result<Self> {
        let mut conv = |i: usize, c_in| {
            B::load_conv(source, &format!("{name}.{i}"), ConvSpec::conv(c_in, width, 3, 1))
        };
        Ok(Self {
            convs: [conv(0, c_in)?, conv(1, width)?],
            out: B::load_conv(
                source,
                &format!("{name}.out"),
                ConvSpec::linear(width, c_out).zero(),
            )?,
        })
    }

    /// `(B, H, 1, statistics per row)` -> `(B, H, 1, c_out)`.
    fn forward(&self, ops: &mut B, profile: &B::Tensor) -> Result<B::Tensor> {
        let mut h = profile.clone();
        for conv in &self.convs {
            h = ops.conv(&h, conv)?;
            h = ops.silu(&h)?;
        }
        ops.conv(&h, &self.out)
    }
}

/// Residual blocks with adaptive group norm, self- and cross-attention at the coarse resolutions,
/// and skip connections.
pub struct UNet<B: Backend> {
    frequency_channels: usize,
    time1: B::Conv,
    time2: B::Conv,
    style: B::Conv,
    profile: Option<ProfileNetwork<B>>,
    input: B::Conv,
    down: Vec<(Stage<B>, Option<B::Conv>)>,
    up: Vec<(B::Conv, Stage<B>)>,
    norm: B::Norm,
    out: B::Conv,
}

impl<B: Backend> UNet<B> {
    /// Builds the denoiser. Its weights' names start with `name`.
    pub fn load(source: &mut B::Source<'_>, name: &str, config: &ModelConfig) -> Result<Self> {
        let (unet, latent, dim) =
            (&config.unet, config.autoencoder.latent_channels, config.style.dim);
        let e = unet.embedding;
        let time1 = ConvSpec::linear(SinusoidalPositionEmbedding::TIMESTEP_DIM, e);
        let inputs = 2 * latent + MASK_CHANNELS + unet.frequency_channels;
        let mut net = Self {
            frequency_channels: unet.frequency_channels,
            time1: B::load_conv(source, &format!("{name}.time.0"), time1)?,
            time2: B::load_conv(source, &format!("{name}.time.1"), ConvSpec::linear(e, e))?,
            style: B::load_conv(source, &format!("{name}.style"), ConvSpec::linear(dim, e))?,
            profile: (unet.profile_channels > 0)
                .then(|| {
                    let statistics = config.autoencoder.reduction() * BAND_STATISTICS;
                    let name = format!("{name}.profile");
                    ProfileNetwork::load(
                        source,
                        &name,
                        statistics,
                        unet.profile_channels,
                        unet.channels[0],
                    )
                })
                .transpose()?,
            input: B::load_conv(
                source,
                &format!("{name}.input"),
                ConvSpec::conv(inputs, unet.channels[0], 3, 1),
            )?,
            down: Vec::new(),
            up: Vec::new(),
            norm: B::load_norm(source, &format!("{name}.norm"), unet.channels[0])?,
            out: B::load_conv(
                source,
                &format!("{name}.out"),
                ConvSpec::conv(unet.channels[0], latent, 3, 1).zero(),
            )?,
        };
        for (i, &c) in unet.channels.iter().enumerate() {
            let stage = Stage::load(source, &format!("{name}.down.{i}"), unet, dim, i, c)?;
            let next = unet.channels.get(i + 1).map(|&next| {
                B::load_conv(source, &format!("{name}.down.{i}.out"), ConvSpec::conv(c, next, 3, 2))
            });
            net.down.push((stage, next.transpose()?));
        }
        for (i, &c) in unet.channels.iter().enumerate().rev().skip(1) {
            let conv = ConvSpec::upsampled(unet.channels[i + 1], c);
            let conv = B::load_conv(source, &format!("{name}.up.{i}.in"), conv)?;
            net.up
                .push((conv, Stage::load(source, &format!("{name}.up.{i}"), unet, dim, i, 2 * c)?));
        }
        Ok(net)
    }

    /// Precomputes a style from `tokens (B or 1, 1, N, dim)`, `pooled (B, 1, 1, dim)` and `profile
    /// (B, H, 1, statistics per row)`; all zero for a dropped style.
    ///
    /// # Errors
    /// If the model has a profile network and `profile` is `None`, or a tensor has another shape.
    pub fn precompute_style(
        &self,
        ops: &mut B,
        tokens: &B::Tensor,
        pooled: &B::Tensor,
        profile: Option<&B::Tensor>,
    ) -> Result<StyleKv<B>> {
        let stages =
            self.down.iter().map(|(stage, _)| stage).chain(self.up.iter().map(|(_, stage)| stage));
        let attentions = stages.filter_map(|stage| stage.attention.as_ref());
        Ok(StyleKv {
            attentions: attentions
                .map(|(_, cross)| cross.key_values(ops, tokens))
                .collect::<Result<_>>()?,
            pooled: ops.conv(pooled, &self.style)?,
            profile: match (&self.profile, profile) {
                (Some(network), Some(profile)) => Some(network.forward(ops, profile)?),
                (Some(_), None) => {
                    return Err(Error::invalid("style", "its spectral profile", "none"));
                }
                (None, _) => None,
            },
        })
    }

    /// `noisy (B, H, W, latent)` -> prediction (v or noise) of the same shape.
    pub fn forward(
        &self,
        ops: &mut B,
        noisy: &B::Tensor,
        conditions: &Conditions<'_, B>,
    ) -> Result<B::Tensor> {
        let embedding = self.embed(ops, conditions)?;
        let input = self.join_input(ops, noisy, conditions)?;
        let mut h = ops.conv(&input, &self.input)?;
        if let Some(profile) = &conditions.style.profile {
            h = ops.add(&h, profile)?;
        }
        let (mut skips, key_values) = (Vec::new(), &mut conditions.style.attentions.iter());
        for (stage, next) in &self.down {
            h = stage.forward(ops, &h, &embedding, key_values)?;
            if let Some(next) = next {
                skips.push(h.clone());
                h = ops.conv(&h, next)?;
            }
        }
        for (conv, stage) in &self.up {
            h = ops.conv(&h, conv)?;
            let skip = skips.pop().expect("one skip per stage");
            h = ops.concat(&[&h, &skip])?;
            h = stage.forward(ops, &h, &embedding, key_values)?;
        }
        let h = ops.norm(&h, &self.norm, None, true)?;
        ops.conv(&h, &self.out)
    }

    /// The embedding of timestep and pooled style, `(B, 1, 1, E)`.
    fn embed(&self, ops: &mut B, conditions: &Conditions<'_, B>) -> Result<B::Tensor> {
        let time = ops.conv(conditions.timestep, &self.time1)?;
        let time = ops.silu(&time)?;
        let time = ops.conv(&time, &self.time2)?;
        let sum = ops.add(&time, &conditions.style.pooled)?;
        ops.silu(&sum)
    }

    fn join_input(
        &self,
        ops: &mut B,
        noisy: &B::Tensor,
        conditions: &Conditions<'_, B>,
    ) -> Result<B::Tensor> {
        let [_, h, w, _] = ops.dims(noisy);
        let rows = SinusoidalPositionEmbedding::rows(h, self.frequency_channels);
        let rows = rows
            .chunks_exact(self.frequency_channels)
            .flat_map(|row| row.repeat(w))
            .collect::<Vec<f32>>();
        let rows = ops.tensor([1, h, w, self.frequency_channels], &rows)?;
        ops.concat(&[noisy, conditions.content, conditions.mask, &rows])
    }
}
