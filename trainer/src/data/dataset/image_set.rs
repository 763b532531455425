//! What training on single images asks of a dataset, wherever its images come from.

use std::path::Path;

use engine::Result;
use engine::config::{MelConfig, WindowConfig};
use engine::image::MelImage;

use super::dataset::{ImageRef, SpectrogramDataset};
use super::description::Split;
use super::recordings::dataset::RecordingDataset;
use super::recordings::description::RecordingsDescription;

/// Images with an instrument and a side each.
pub trait ImageSet: Sync {
    /// Audio to image.
    fn mel(&self) -> &MelConfig;

    /// How images lie on a stream.
    fn window(&self) -> &WindowConfig;

    /// The labels that [`ImageRef::instrument`] counts.
    fn instruments(&self) -> &[String];

    /// Every image of a split, in order.
    fn images(&self, split: Split) -> Vec<ImageRef>;

    /// One image: `n_mels` rows of `frames` bytes, 255 for 1.0, the lowest band first.
    ///
    /// # Panics
    /// If there is no such image.
    fn image(&self, at: ImageRef) -> &[u8];

    /// Whether anything sounds in an image.
    fn sounds(&self, at: ImageRef) -> bool;

    /// An image as numbers in `[0, 1]`, appended to `out`.
    fn extend_f32(&self, at: ImageRef, out: &mut Vec<f32>) {
        out.extend(self.image(at).iter().map(|b| f32::from(*b) / 255.0));
    }

    /// An image as the engine has them.
    fn mel_image(&self, at: ImageRef) -> MelImage {
        let (n_mels, frames) = (self.mel().n_mels, self.window().frames);
        let mut data = Vec::with_capacity(n_mels * frames);
        self.extend_f32(at, &mut data);
        MelImage { n_mels, frames, data }
    }
}

/// Opens a folder that `trainer render` or `trainer build-dataset` made.
///
/// # Errors
/// As [`SpectrogramDataset::open`] and [`RecordingDataset::open`].
pub fn open(folder: &Path) -> Result<Box<dyn ImageSet>> {
    if RecordingsDescription::describes(folder) {
        return Ok(Box::new(RecordingDataset::open(folder)?));
    }
    Ok(Box::new(SpectrogramDataset::open(folder)?))
}
