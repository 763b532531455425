//! A model and a workspace for images of one window. Each thread uses its own.

use std::sync::Arc;

use engine::Result;
use engine::cancel::Cancel;
use engine::image::MelImage;
use engine::models::model::Model;
use engine::nn::packed::Packed;
use engine::pipeline::{BackendModel, Transfer};
use engine::settings::Settings;
use engine::style::StyleTokens;

/// Processes images of one window.
pub struct ModelRunner {
    /// Encoder, denoiser and decoder.
    pub transfer: Transfer,
    model: Arc<Model<Packed>>,
    ops: Packed,
}

impl ModelRunner {
    /// A runner of a model.
    ///
    /// # Errors
    /// If the model's config is not supported.
    pub fn new(model: &Arc<Model<Packed>>) -> Result<Self> {
        let executed = BackendModel::new(Arc::clone(model), Packed::default());
        Ok(Self {
            transfer: Transfer::new(Box::new(executed))?,
            model: Arc::clone(model),
            ops: Packed::default(),
        })
    }

    /// The autoencoder's reconstruction of an image.
    ///
    /// # Errors
    /// If a network fails.
    pub fn reconstruct(&mut self, image: &MelImage) -> Result<MelImage> {
        let latent = self.transfer.encode(image)?;
        self.transfer.decode(&latent)
    }

    /// The style tokens of windows of one sound.
    ///
    /// # Errors
    /// If the network fails.
    pub fn style_tokens(&mut self, windows: &[MelImage]) -> Result<StyleTokens> {
        self.model.style_tokens(&mut self.ops, windows)
    }

    /// Transfers a style to a content image.
    ///
    /// # Errors
    /// If a network fails.
    pub fn transfer_style(
        &mut self,
        content: &MelImage,
        style: &StyleTokens,
        settings: &Settings,
    ) -> Result<MelImage> {
        let latent = self.transfer.encode(content)?;
        let out = self.transfer.denoise(&latent, style, 0, settings, &Cancel::default())?;
        self.transfer.decode(&out)
    }
}
