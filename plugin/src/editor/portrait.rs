//! Pictures of the factory styles: the spectrograms of their own recordings.

use egui::{ColorImage, Context, TextureHandle, TextureOptions};
use engine::audio_file::Audio;
use engine::config::MelConfig;
use engine::dsp::mel::MelFrontEnd;
use engine::dsp::resample::resampled;
use engine::image::MelImage;

use super::theme;
use crate::factory;
use crate::style_slot::FACTORY;

/// Frames of a picture: three seconds.
const FRAMES: usize = 128;
/// The recordings' peak is brought to this level.
const PEAK: f32 = 0.5;

/// The pictures that have been made.
#[derive(Default)]
pub struct Portraits {
    made: Vec<Option<TextureHandle>>,
}

impl Portraits {
    /// Makes one more. Called once a frame, so that the window stands at once and none of its
    /// frames is long.
    pub fn make_one(&mut self, context: &Context) {
        let index = self.made.len();
        if index < FACTORY.len() {
            let picture = factory::recording(index).and_then(|audio| picture(&audio));
            // A recording that cannot be read is told by whoever plays it; here it has no picture.
            self.made.push(picture.ok().map(|image| {
                context.load_texture(FACTORY[index], color_image(&image), TextureOptions::LINEAR)
            }));
        }
    }

    /// The picture of a factory style.
    pub fn get(&self, index: usize) -> Option<&TextureHandle> {
        self.made.get(index)?.as_ref()
    }
}

fn picture(audio: &Audio) -> engine::Result<MelImage> {
    let config = MelConfig::default();
    let signal = resampled(&audio.mono(), audio.sample_rate_hz, config.sample_rate_hz)?;
    let peak = signal.iter().fold(1e-6f32, |peak, sample| peak.max(sample.abs()));
    Ok(MelFrontEnd::new(&config).image(&[&signal], 0, FRAMES, PEAK / peak))
}

/// The image with its lowest band below.
fn color_image(image: &MelImage) -> ColorImage {
    let rows = (0..image.n_mels).rev();
    let pixels = rows
        .flat_map(|mel| (0..image.frames).map(move |frame| theme::sound(image.value(mel, frame))));
    ColorImage::new([image.frames, image.n_mels], pixels.collect())
}
