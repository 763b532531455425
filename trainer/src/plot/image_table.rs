//! A picture with a table of spectrograms: one row for each example, one column for each role.

use std::path::Path;

use anyhow::Result;
use engine::image::MelImage;
use engine::whole_file;
use image::{Rgb, RgbImage};
use plot::{colour, font};
use plotters::prelude::*;

/// Pixels of one spectrogram value along each axis.
const ZOOM: u32 = 2;
/// Pixels between spectrograms.
const GAP: u32 = 10;
/// Height in pixels of the column titles and of each row's title.
const TEXT: u32 = 22;

/// Spectrograms with row and column titles.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageTable {
    /// Column titles: content, style, target, output, ...
    pub columns: Vec<String>,
    /// Title and images of each row, one image for each column.
    pub rows: Vec<(String, Vec<MelImage>)>,
}

impl ImageTable {
    /// Draws the table as PNG. Low bands are at the bottom, time increases to the right.
    ///
    /// # Errors
    /// If drawing fails or the file cannot be written.
    pub fn draw(&self, path: &Path) -> Result<()> {
        let (cell_width, cell_height) = self.cell();
        let width = GAP + self.columns.len() as u32 * (cell_width + GAP);
        let height = TEXT + GAP + self.rows.len() as u32 * (cell_height + TEXT);
        let mut picture = plot::white(width, height);
        for (r, (_, images)) in self.rows.iter().enumerate() {
            for (c, image) in images.iter().enumerate() {
                let (x, y) = (
                    GAP + c as u32 * (cell_width + GAP),
                    TEXT + r as u32 * (cell_height + TEXT) + TEXT,
                );
                paint(&mut picture, image, x, y);
            }
        }
        let picture = self.label(picture, cell_width, cell_height)?;
        Ok(whole_file::write(path, &plot::png(&picture)?)?)
    }

    /// Width and height of the largest spectrogram.
    fn cell(&self) -> (u32, u32) {
        let images = || self.rows.iter().flat_map(|(_, images)| images);
        let width = images().map(|image| image.frames).max().unwrap_or(1) as u32;
        let height = images().map(|image| image.n_mels).max().unwrap_or(1) as u32;
        (width * ZOOM, height * ZOOM)
    }

    fn label(&self, picture: RgbImage, cell_width: u32, cell_height: u32) -> Result<RgbImage> {
        plot::draw_on(picture, |root| {
            let style = (font::FAMILY, 15).into_font().color(&BLACK);
            let text = |text: &str, x: u32, y: u32| {
                root.draw(&Text::new(text.to_string(), (x as i32, y as i32), style.clone()))
            };
            for (c, column) in self.columns.iter().enumerate() {
                text(column, GAP + c as u32 * (cell_width + GAP), 4)?;
            }
            for (r, (name, _)) in self.rows.iter().enumerate() {
                text(name, GAP, TEXT + r as u32 * (cell_height + TEXT) + 4)?;
            }
            Ok::<(), Box<dyn std::error::Error>>(())
        })
    }
}

fn paint(picture: &mut RgbImage, image: &MelImage, x: u32, y: u32) {
    for mel in 0..image.n_mels {
        for frame in 0..image.frames {
            let colour = Rgb(colour::magma(image.value(mel, frame)));
            let (left, top) = (x + frame as u32 * ZOOM, y + (image.n_mels - 1 - mel) as u32 * ZOOM);
            for dy in 0..ZOOM {
                for dx in 0..ZOOM {
                    picture.put_pixel(left + dx, top + dy, colour);
                }
            }
        }
    }
}
