//! The interface of all datasets for training on single images.

use engine::config::{MelConfig, WindowConfig};
use engine::image::MelImage;

use super::image_ref::ImageRef;
use super::split::Split;

/// Images, each with an instrument and a split.
pub trait ImageSet: Sync {
    /// Config of the mel images.
    fn mel(&self) -> &MelConfig;

    /// Frames of an image and frames between two windows.
    fn window(&self) -> &WindowConfig;

    /// Instrument labels, in the order of [`Self::label`].
    fn instruments(&self) -> &[String];

    /// Every image of a split, in order.
    fn images(&self, split: Split) -> Vec<ImageRef>;

    /// One image: `n_mels` rows of `frames` bytes, 255 for 1.0, the lowest band first.
    ///
    /// # Panics
    /// If there is no such image.
    fn image(&self, at: ImageRef) -> &[u8];

    /// Whether an image has sound in it.
    fn sounds(&self, at: ImageRef) -> bool;

    /// Index of an image's instrument in [`Self::instruments`].
    fn label(&self, at: ImageRef) -> usize {
        at.instrument
    }

    /// Appends an image as values in `[0, 1]` to `out`.
    fn extend_f32(&self, at: ImageRef, out: &mut Vec<f32>) {
        out.extend(self.image(at).iter().map(|b| f32::from(*b) / 255.0));
    }

    /// An image in the engine's type.
    fn mel_image(&self, at: ImageRef) -> MelImage {
        let (n_mels, frames) = (self.mel().n_mels, self.window().frames);
        let mut data = Vec::with_capacity(n_mels * frames);
        self.extend_f32(at, &mut data);
        MelImage { n_mels, frames, data }
    }
}
