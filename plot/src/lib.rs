//! What Luthier's pictures share: the font, colours, drawing on pixels, PNG.
//!
//! The trainer's pictures and the command line's use it. The plugin's editor has colours of its
//! own, and draws with egui.

pub mod colour;
pub mod font;

use std::fmt::Display;
use std::io::Cursor;

use anyhow::{Context, Result, anyhow};
use image::{ImageFormat, RgbImage};
use plotters::coord::Shift;
use plotters::drawing::IntoDrawingArea;
use plotters::prelude::{BitMapBackend, DrawingArea};

/// The pixels of a picture, as plotters draws on them.
pub type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

/// Draws on a picture. The font [`font::FAMILY`] is registered.
///
/// # Errors
/// If the font cannot be read, or `draw` fails.
pub fn draw_on<E: Display>(
    picture: RgbImage,
    draw: impl FnOnce(&Area<'_>) -> Result<(), E>,
) -> Result<RgbImage> {
    font::register()?;
    let (width, height) = picture.dimensions();
    let mut pixels = picture.into_raw();
    {
        let area = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
        draw(&area).map_err(|error| anyhow!("picture: {error}"))?;
        area.present().map_err(|error| anyhow!("picture: {error}"))?;
    }
    RgbImage::from_raw(width, height, pixels).context("picture: the buffer has the wrong size")
}

/// A white picture.
pub fn white(width: u32, height: u32) -> RgbImage {
    RgbImage::from_pixel(width, height, image::Rgb([255; 3]))
}

/// The bytes of a PNG file.
///
/// # Errors
/// If the picture has no pixels.
pub fn png(picture: &RgbImage) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    picture.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png).context("picture")?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use plotters::prelude::*;

    use super::*;

    #[test]
    fn letters_are_drawn_and_survive_the_file() {
        let picture = draw_on(white(80, 24), |area| {
            let style = (font::FAMILY, 17).into_font().color(&BLACK);
            area.draw(&Text::new("440 Hz", (4, 2), style))
        });
        let picture = picture.expect("drawn");
        assert!(picture.pixels().filter(|pixel| pixel.0[0] < 128).count() > 20);
        let bytes = png(&picture).expect("encoded");
        assert_eq!(image::load_from_memory(&bytes).expect("a PNG").to_rgb8(), picture);
    }
}
