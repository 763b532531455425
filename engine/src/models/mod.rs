//! The networks, each written once over [`crate::nn::Backend`]. They do no file I/O.
//!
//! ```
//! use engine::checkpoint::Checkpoint;
//! use engine::image::MelImage;
//! use engine::inference_model::InferenceModel;
//! use engine::nn::packed::Packed;
//!
//! let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../presets/luthier.safetensors");
//! let model = InferenceModel::packed(&Checkpoint::read(file)?)?.model();
//!
//! let (mut ops, image) = (Packed::default(), MelImage::filled(128, 16, 0.5));
//! let latent = model.encode(&mut ops, &image)?;
//! let decoded = model.decode(&mut ops, &latent, model.latent_dims(128, 16))?;
//! assert_eq!((decoded.n_mels, decoded.frames), (128, 16));
//! # Ok::<(), engine::Error>(())
//! ```

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

/// Prefix of the encoder's weight names.
pub const ENCODER: &str = "encoder";
/// Prefix of the decoder's weight names.
pub const DECODER: &str = "decoder";
/// Prefix of the style encoder's weight names.
pub const STYLE: &str = "style";
/// Prefix of the denoiser's weight names.
pub const UNET: &str = "unet";

/// Encoder and decoder.
pub struct Autoencoder<B: Backend> {
    /// Image to latent.
    pub encoder: encoder::SpectrogramEncoder<B>,
    /// Latent to image.
    pub decoder: decoder::SpectrogramDecoder<B>,
}

impl<B: Backend> Autoencoder<B> {
    /// Builds both networks.
    pub fn load(source: &mut B::Source<'_>, config: &AutoencoderConfig) -> Result<Self> {
        Ok(Self {
            encoder: encoder::SpectrogramEncoder::load(source, ENCODER, config)?,
            decoder: decoder::SpectrogramDecoder::load(source, DECODER, config)?,
        })
    }
}

/// Style encoder and denoiser, the networks that the latent diffusion trains.
pub struct Denoiser<B: Backend> {
    /// Reference image to style tokens.
    pub style: style::StyleEncoder<B>,
    /// The denoiser.
    pub unet: unet::UNet<B>,
}

impl<B: Backend> Denoiser<B> {
    /// Builds both networks.
    pub fn load(source: &mut B::Source<'_>, config: &ModelConfig) -> Result<Self> {
        Ok(Self {
            style: style::StyleEncoder::load(source, STYLE, &config.style)?,
            unet: unet::UNet::load(source, UNET, config)?,
        })
    }
}
