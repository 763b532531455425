//! The networks, each one text over [`crate::nn::Backend`]. They know no files.

pub mod cross_attention;
pub mod decoder;
pub mod encoder;
pub mod model;
pub mod position;
pub mod style;
pub mod unet;

use crate::Result;
use crate::config::{AutoencoderConfig, ModelConfig};
use crate::nn::Backend;

/// First name of the encoder's weights.
pub const ENCODER: &str = "encoder";
/// First name of the decoder's weights.
pub const DECODER: &str = "decoder";
/// First name of the style encoder's weights.
pub const STYLE: &str = "style";
/// First name of the denoiser's weights.
pub const UNET: &str = "unet";

/// Encoder and decoder.
pub struct Autoencoder<B: Backend> {
    /// Image to latent.
    pub encoder: encoder::SpectrogramEncoder<B>,
    /// Latent to image.
    pub decoder: decoder::SpectrogramDecoder<B>,
}

impl<B: Backend> Autoencoder<B> {
    /// Builds both.
    pub fn load(source: &mut B::Source<'_>, config: &AutoencoderConfig) -> Result<Self> {
        Ok(Self {
            encoder: encoder::SpectrogramEncoder::load(source, ENCODER, config)?,
            decoder: decoder::SpectrogramDecoder::load(source, DECODER, config)?,
        })
    }
}

/// Style encoder and denoiser: what the latent diffusion trains.
pub struct Denoiser<B: Backend> {
    /// Reference to tokens.
    pub style: style::StyleEncoder<B>,
    /// The denoiser.
    pub unet: unet::UNet<B>,
}

impl<B: Backend> Denoiser<B> {
    /// Builds both.
    pub fn load(source: &mut B::Source<'_>, config: &ModelConfig) -> Result<Self> {
        Ok(Self {
            style: style::StyleEncoder::load(source, STYLE, &config.style)?,
            unet: unet::UNet::load(source, UNET, config)?,
        })
    }
}
