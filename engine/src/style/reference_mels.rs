//! The mel images that a style was computed from, in 8 bits. Any model with the same mel config can
//! compute its own style from them.

use serde::{Deserialize, Serialize};

use super::hexadecimal;
use crate::config::MelConfig;
use crate::image::MelImage;

/// Most pixels that are read, several times as many as a style is computed from.
const MAX_LEVELS: usize = 1 << 20;

/// Mel images of equal size.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReferenceMels {
    /// The mel config of the images.
    pub mel: MelConfig,
    /// STFT frames per image.
    frames: usize,
    /// 0 to 255 for `[0, 1]`.
    levels: Vec<u8>,
}

/// The serialised form.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WrittenMels {
    mel: MelConfig,
    frames: usize,
    levels: String,
}

impl ReferenceMels {
    /// Quantises images of equal size.
    pub fn from_images(mel: &MelConfig, images: &[MelImage]) -> Self {
        let levels = images.iter().flat_map(|image| &image.data);
        Self {
            mel: mel.clone(),
            frames: images.first().map_or(0, |image| image.frames),
            levels: levels.map(|value| (value * 255.0).round() as u8).collect(),
        }
    }

    /// The images, with values that are multiples of 1/255.
    pub fn images(&self) -> Vec<MelImage> {
        let image = |levels: &[u8]| MelImage {
            n_mels: self.mel.n_mels,
            frames: self.frames,
            data: levels.iter().map(|level| f32::from(*level) / 255.0).collect(),
        };
        self.levels.chunks_exact((self.mel.n_mels * self.frames).max(1)).map(image).collect()
    }

    /// The serialised form.
    pub fn write(&self) -> WrittenMels {
        let Self { mel, frames, levels } = self.clone();
        WrittenMels { mel, frames, levels: hexadecimal::from_bytes(&levels) }
    }

    /// Restores the images; `None` if they are damaged.
    pub fn read(written: WrittenMels) -> Option<Self> {
        let WrittenMels { mel, frames, levels } = written;
        let levels = hexadecimal::to_bytes(&levels)?;
        let size = mel.n_mels.checked_mul(frames).filter(|size| *size > 0)?;
        let whole =
            levels.len() <= MAX_LEVELS && levels.len().is_multiple_of(size) && !levels.is_empty();
        whole.then_some(Self { mel, frames, levels })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_stored_in_8_bits() {
        let image = |phase: f32| {
            let data = (0..128 * 4).map(|i| (i as f32 * 0.37 + phase).sin().abs()).collect();
            MelImage { n_mels: 128, frames: 4, data }
        };
        let images = [image(0.0), image(1.0)];
        let mels = ReferenceMels::from_images(&MelConfig::default(), &images);
        let read = ReferenceMels::read(mels.write()).expect("whole");
        assert_eq!(read, mels);
        for (read, image) in read.images().iter().zip(&images) {
            assert!(
                read.data.iter().zip(&image.data).all(|(a, b)| (a - b).abs() <= 0.5 / 255.0 + 1e-6)
            );
        }
        assert_eq!(
            ReferenceMels::from_images(&mels.mel, &mels.images()),
            mels,
            "a second quantisation is lossless"
        );
    }

    #[test]
    fn damage_is_detected() {
        let mels =
            ReferenceMels::from_images(&MelConfig::default(), &[MelImage::filled(128, 2, 0.5)]);
        let damages: [fn(&mut WrittenMels); 4] = [
            |written| written.frames = 0,
            |written| written.frames = usize::MAX,
            |written| written.levels.truncate(100),
            |written| written.levels.replace_range(..2, "zz"),
        ];
        for damage in damages {
            let mut written = mels.write();
            damage(&mut written);
            assert_eq!(ReferenceMels::read(written), None);
        }
    }
}
