//! Thumbnails of the factory styles: spectrograms of their reference recordings.

use egui::{ColorImage, Context, TextureHandle, TextureOptions};
use engine::audio_file::Audio;
use engine::config::MelConfig;
use engine::dsp::mel::MelFrontEnd;
use engine::dsp::resample::resampled;
use engine::image::MelImage;

use super::theme;
use crate::factory;
use crate::style_slot::FACTORY;

/// Frames of a thumbnail: 3 s.
const FRAMES: usize = 128;
/// The recordings are normalised to this peak; full scale is 1.
const PEAK: f32 = 0.5;

/// The thumbnails so far, in the order of [`FACTORY`].
#[derive(Default)]
pub struct Thumbnails {
    textures: Vec<Option<TextureHandle>>,
}

impl Thumbnails {
    /// Creates the next thumbnail. One per frame keeps every frame short.
    pub fn create_next(&mut self, context: &Context) {
        let index = self.textures.len();
        if index < FACTORY.len() {
            let image = factory::reference(index).and_then(|reference| mel_image(&reference.audio));
            // The worker reports a recording that cannot be read when the style is selected.
            self.textures.push(image.ok().map(|image| {
                context.load_texture(FACTORY[index], color_image(&image), TextureOptions::LINEAR)
            }));
        }
    }

    /// The thumbnail of a factory style, if it has been created.
    pub fn get(&self, index: usize) -> Option<&TextureHandle> {
        self.textures.get(index)?.as_ref()
    }
}

fn mel_image(audio: &Audio) -> engine::Result<MelImage> {
    let config = MelConfig::default();
    let signal = resampled(&audio.mono(), audio.sample_rate_hz, config.sample_rate_hz)?;
    let peak = signal.iter().fold(1e-6f32, |peak, sample| peak.max(sample.abs()));
    Ok(MelFrontEnd::new(&config).image(&[&signal], 0, FRAMES, PEAK / peak))
}

/// The image in colours, with the lowest band at the bottom.
fn color_image(image: &MelImage) -> ColorImage {
    let rows = (0..image.n_mels).rev();
    let pixels = rows.flat_map(|mel| {
        (0..image.frames).map(move |frame| theme::level_color(image.value(mel, frame)))
    });
    ColorImage::new([image.frames, image.n_mels], pixels.collect())
}
