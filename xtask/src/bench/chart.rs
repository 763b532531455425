//! Draws the table of the stages: one bar per executor, on a logarithmic axis.

use anyhow::Result;
use image::RgbImage;
use plot::{Area, font};
use plotters::prelude::*;

const WIDTH: u32 = 1000;
/// Space for the names of the stages on the left, in pixels.
const LEFT: i32 = 250;
/// Space for the figure after the longest bar, in pixels.
const RIGHT: i32 = 70;
/// Space for the names of the executors at the top, in pixels.
const TOP: i32 = 40;
const BOTTOM: i32 = 30;
const BAR: i32 = 13;
const GAP: i32 = 12;
/// Seaborn's `colorblind` palette.
const COLOURS: [RGBColor; 4] =
    [RGBColor(1, 115, 178), RGBColor(222, 143, 5), RGBColor(2, 158, 115), RGBColor(204, 120, 188)];

/// Times in milliseconds. Rows are stages, columns are executors.
pub struct Chart {
    pub executors: Vec<String>,
    pub rows: Vec<(String, Vec<f64>)>,
}

impl Chart {
    /// Draws the chart.
    ///
    /// # Errors
    /// If the font cannot be read.
    pub fn picture(&self) -> Result<RgbImage> {
        let height = TOP + BOTTOM + self.rows.len() as i32 * self.row_height();
        plot::draw_on(plot::white(WIDTH, height as u32), |root| self.draw_on(root, height))
    }

    fn row_height(&self) -> i32 {
        self.executors.len() as i32 * BAR + GAP
    }

    /// Decimal logarithms of the ends of the axis, which is in milliseconds.
    fn decades(&self) -> (f64, f64) {
        let values = self.rows.iter().flat_map(|(_, values)| values);
        let (low, high) =
            values.fold((f64::MAX, f64::MIN), |(low, high), &ms| (low.min(ms), high.max(ms)));
        (low.log10().floor(), high.log10())
    }

    fn draw_on(&self, root: &Area<'_>, height: i32) -> Result<(), Box<dyn std::error::Error + '_>> {
        let font = |size: u32| (font::FAMILY, size).into_font().color(&BLACK);
        let write =
            |text: String, x: i32, y: i32, size| -> Result<(), Box<dyn std::error::Error>> {
                root.draw(&Text::new(text, (x, y), font(size)))
                    .map_err(|error| error.to_string().into())
            };
        let (low, high) = self.decades();
        let space = f64::from(WIDTH as i32 - LEFT - RIGHT);
        let x = |ms: f64| LEFT + ((ms.log10() - low) / (high - low) * space) as i32;
        for decade in low as i32..=high.floor() as i32 {
            let (ms, at) = (10_f64.powi(decade), x(10_f64.powi(decade)));
            root.draw(&PathElement::new([(at, TOP - 8), (at, height - BOTTOM)], BLACK.mix(0.2)))?;
            write(format!("{ms} ms"), at - 14, height - BOTTOM + 6, 13)?;
        }
        for (number, (name, colour)) in self.executors.iter().zip(COLOURS).enumerate() {
            let at = LEFT + number as i32 * 180;
            root.draw(&Rectangle::new([(at, 12), (at + 12, 24)], colour.filled()))?;
            write(name.clone(), at + 18, 10, 15)?;
        }
        for (row, (name, values)) in self.rows.iter().enumerate() {
            let top = TOP + row as i32 * self.row_height();
            write(name.clone(), 8, top + (self.row_height() - GAP) / 2 - 8, 15)?;
            for (number, (&ms, colour)) in values.iter().zip(COLOURS).enumerate() {
                let (y, end) = (top + number as i32 * BAR, x(ms));
                root.draw(&Rectangle::new([(LEFT, y), (end, y + BAR - 2)], colour.filled()))?;
                write(format!("{ms:.1}"), end + 4, y - 1, 12)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_executor_has_its_bars() {
        let executors = ["packed", "stock candle", "PyTorch"].map(String::from).to_vec();
        let rows = vec![
            ("encode".into(), vec![0.7, 41.0, 9.0]),
            ("decode".into(), vec![1900.0, 3.0, 20.0]),
        ];
        let picture = Chart { executors, rows }.picture().expect("drawn");
        for RGBColor(r, g, b) in &COLOURS[..3] {
            let seen = picture.pixels().filter(|pixel| pixel.0 == [*r, *g, *b]).count();
            assert!(seen > 500, "{seen} pixels");
        }
        let RGBColor(r, g, b) = COLOURS[0];
        let longest = |rows: std::ops::Range<u32>| {
            let is_first = |x: u32, y: u32| picture.get_pixel(x, y).0 == [r, g, b];
            rows.flat_map(|y| (0..WIDTH).filter(move |&x| is_first(x, y))).max()
        };
        let (top, row) = (TOP as u32, (3 * BAR + GAP) as u32);
        assert!(
            longest(top..top + row) < longest(top + row..top + 2 * row),
            "longer bars take longer"
        );
    }
}
