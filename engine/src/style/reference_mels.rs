//! What a style was read from: images in 8 bits, so that every model with the same ears can read it
//! again.

use serde::{Deserialize, Serialize};

use super::hexadecimal;
use crate::config::MelConfig;
use crate::image::MelImage;

/// Longest evidence that is read: several times what a style is read from.
const MAX_LEVELS: usize = 1 << 20;

/// Images of one size, one after the other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReferenceMels {
    /// How sound became images.
    pub mel: MelConfig,
    /// STFT frames of every image.
    frames: usize,
    /// 0 to 255 for `[0, 1]`.
    levels: Vec<u8>,
}

/// How evidence is written.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WrittenHeard {
    mel: MelConfig,
    frames: usize,
    levels: String,
}

impl ReferenceMels {
    /// The evidence of these images, which are of one size.
    pub fn from_images(mel: &MelConfig, images: &[MelImage]) -> Self {
        let levels = images.iter().flat_map(|image| &image.data);
        Self {
            mel: mel.clone(),
            frames: images.first().map_or(0, |image| image.frames),
            levels: levels.map(|value| (value * 255.0).round() as u8).collect(),
        }
    }

    /// The images.
    pub fn images(&self) -> Vec<MelImage> {
        let image = |levels: &[u8]| MelImage {
            n_mels: self.mel.n_mels,
            frames: self.frames,
            data: levels.iter().map(|level| f32::from(*level) / 255.0).collect(),
        };
        self.levels.chunks_exact((self.mel.n_mels * self.frames).max(1)).map(image).collect()
    }

    /// The evidence as it is written.
    pub fn write(&self) -> WrittenHeard {
        let Self { mel, frames, levels } = self.clone();
        WrittenHeard { mel, frames, levels: hexadecimal::of_bytes(&levels) }
    }

    /// The evidence that was written; `None` where it is damaged.
    pub fn read(written: WrittenHeard) -> Option<Self> {
        let WrittenHeard { mel, frames, levels } = written;
        let levels = hexadecimal::bytes(&levels)?;
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
    fn images_are_kept_to_8_bits() {
        let image = |phase: f32| {
            let data = (0..128 * 4).map(|i| (i as f32 * 0.37 + phase).sin().abs()).collect();
            MelImage { n_mels: 128, frames: 4, data }
        };
        let images = [image(0.0), image(1.0)];
        let heard = ReferenceMels::from_images(&MelConfig::default(), &images);
        let read = ReferenceMels::read(heard.write()).expect("whole");
        assert_eq!(read, heard);
        for (read, image) in read.images().iter().zip(&images) {
            assert!(
                read.data.iter().zip(&image.data).all(|(a, b)| (a - b).abs() <= 0.5 / 255.0 + 1e-6)
            );
        }
        assert_eq!(
            ReferenceMels::from_images(&heard.mel, &heard.images()),
            heard,
            "keeping again loses nothing"
        );
    }

    #[test]
    fn damage_is_found() {
        let heard =
            ReferenceMels::from_images(&MelConfig::default(), &[MelImage::filled(128, 2, 0.5)]);
        let damages: [fn(&mut WrittenHeard); 4] = [
            |written| written.frames = 0,
            |written| written.frames = usize::MAX,
            |written| written.levels.truncate(100),
            |written| written.levels.replace_range(..2, "zz"),
        ];
        for damage in damages {
            let mut written = heard.write();
            damage(&mut written);
            assert_eq!(ReferenceMels::read(written), None);
        }
    }
}
