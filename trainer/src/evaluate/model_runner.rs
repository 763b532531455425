//! A model's networks with a workspace of their own, for images: every thread has one.

use std::sync::Arc;

use engine::Result;
use engine::cancel::Cancel;
use engine::image::MelImage;
use engine::models::model::Model;
use engine::nn::packed::Packed;
use engine::pipeline::{BackendModel, Transfer};
use engine::settings::Settings;
use engine::style::StyleTokens;

/// Plays images of one window.
pub struct ModelRunner {
    /// Encodes, denoises and decodes.
    pub transfer: Transfer,
    model: Arc<Model<Packed>>,
    ops: Packed,
}

impl ModelRunner {
    /// A player of a model.
    ///
    /// # Errors
    /// If the model's config is not one that can be played.
    pub fn new(model: &Arc<Model<Packed>>) -> Result<Self> {
        let executed = BackendModel::new(Arc::clone(model), Packed::default());
        Ok(Self {
            transfer: Transfer::new(Box::new(executed))?,
            model: Arc::clone(model),
            ops: Packed::default(),
        })
    }

    /// What the autoencoder makes of an image.
    ///
    /// # Errors
    /// If a network fails.
    pub fn reconstructed(&mut self, image: &MelImage) -> Result<MelImage> {
        let latent = self.transfer.encode(image)?;
        self.transfer.decode(&latent)
    }

    /// The style of some windows of a sound.
    ///
    /// # Errors
    /// If the network fails.
    pub fn style_tokens(&mut self, windows: &[MelImage]) -> Result<StyleTokens> {
        self.model.style_tokens(&mut self.ops, windows)
    }

    /// The content in a style's sound.
    ///
    /// # Errors
    /// If a network fails.
    pub fn transferred(
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
