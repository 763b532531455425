//! Font, colours, drawing and PNG encoding for the pictures of the trainer and the command line.
//!
//! The plugin's editor uses egui and its own colours instead.

pub mod colour;
pub mod font;

use std::fmt::Display;
use std::io::Cursor;

use anyhow::{Context, Result, anyhow};
use image::{ImageFormat, RgbImage};
use plotters::coord::Shift;
use plotters::drawing::IntoDrawingArea;
use plotters::prelude::{BitMapBackend, DrawingArea};

/// Drawing area of plotters on the pixels of a picture.
pub type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

/// Draws on a picture. Registers the font [`font::FAMILY`] first.
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

/// A white picture. The size is in pixels.
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
