//! Line charts over steps. The value axis is logarithmic if all values are positive and span more
//! than a decade.

use std::path::Path;

use anyhow::{Result, anyhow};
use engine::whole_file;
use plot::{Area, colour, font};
use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use plotters::prelude::*;

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// Name in the legend.
    pub name: String,
    /// Pairs of step and value. Values that are not finite are omitted.
    pub points: Vec<(f64, f64)>,
}

/// A column of charts, each with a title and lines.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curves {
    /// Title and lines of each chart.
    pub charts: Vec<(String, Vec<Curve>)>,
}

impl Curves {
    /// Draws all charts into one PNG file.
    ///
    /// # Errors
    /// If drawing fails or the file cannot be written.
    pub fn draw(&self, path: &Path) -> Result<()> {
        let rows = self.charts.len().max(1);
        let picture = plot::draw_on(plot::white(900, 320 * rows as u32), |root| {
            let mut areas = self.charts.iter().zip(root.split_evenly((rows, 1)));
            areas.try_for_each(|((title, curves), area)| {
                draw_chart(&area, title, curves)
                    .map_err(|error| anyhow!("chart `{title}`: {error}"))
            })
        })?;
        Ok(whole_file::write(path, &plot::png(&picture)?)?)
    }
}

fn draw_chart(
    area: &Area,
    title: &str,
    curves: &[Curve],
) -> Result<(), Box<dyn std::error::Error>> {
    let points =
        || curves.iter().flat_map(|curve| &curve.points).filter(|point| point.1.is_finite());
    let range = |pick: fn(&(f64, f64)) -> f64| {
        let (low, high) = points()
            .map(pick)
            .fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
        if low > high { (0.0, 1.0) } else { (low, high) }
    };
    let ((first, last), (low, high)) = (range(|p| p.0), range(|p| p.1));
    let last = if last > first { last } else { first + 1.0 };
    let mut builder = ChartBuilder::on(area);
    builder
        .caption(title, (font::FAMILY, 18))
        .margin(8)
        .x_label_area_size(28)
        .y_label_area_size(64);
    if low > 0.0 && high > 10.0 * low {
        let y = (low / 1.05..high * 1.05).log_scale();
        draw_lines(builder.build_cartesian_2d(first..last, y)?, curves, is_one_two_or_five)
    } else {
        let pad = 0.05 * (high - low).max(1e-6);
        draw_lines(builder.build_cartesian_2d(first..last, low - pad..high + pad)?, curves, |_| {
            true
        })
    }
}

/// Whether a number is 1, 2 or 5 times a power of ten. Only these of a decade's lines have labels,
/// so that labels do not overlap.
fn is_one_two_or_five(value: f64) -> bool {
    let mantissa = value / 10f64.powf((value.log10() + 1e-9).floor());
    [1.0, 2.0, 5.0].iter().any(|digit| (mantissa - digit).abs() < 1e-6)
}

fn draw_lines<'a, X, Y>(
    mut chart: ChartContext<'a, BitMapBackend<'a>, Cartesian2d<X, Y>>,
    curves: &[Curve],
    has_label: impl Fn(f64) -> bool,
) -> Result<(), Box<dyn std::error::Error>>
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let label = |value: &f64| match value.abs() {
        _ if !has_label(*value) => String::new(),
        0.01.. => format!("{value:.3}"),
        _ => format!("{value:.1e}"),
    };
    let text = (font::FAMILY, 13);
    chart
        .configure_mesh()
        .y_label_formatter(&label)
        .x_label_formatter(&|v| format!("{v:.0}"))
        .light_line_style(TRANSPARENT)
        .label_style(text)
        .draw()?;
    for (curve, [r, g, b]) in curves.iter().zip(colour::PALETTE.into_iter().cycle()) {
        let colour = RGBColor(r, g, b);
        let points = curve.points.iter().copied().filter(|point| point.1.is_finite());
        chart
            .draw_series(LineSeries::new(points, &colour))?
            .label(curve.name.clone())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour));
    }
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .label_font(text)
        .draw()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_lines_of_a_decade_have_labels() {
        let lines = (-3..3)
            .flat_map(|power| (1..10).map(move |digit| f64::from(digit) * 10f64.powi(power)));
        assert_eq!(lines.filter(|line| is_one_two_or_five(*line)).count(), 6 * 3);
    }

    #[test]
    fn unusual_values_of_a_run_are_drawn() {
        let folder = tempfile::tempdir().unwrap();
        let curve = |name: &str, points: &[(f64, f64)]| Curve {
            name: name.into(),
            points: points.to_vec(),
        };
        let curves = Curves {
            charts: vec![
                (
                    "falls".into(),
                    vec![
                        curve("a", &[(1.0, 1.0), (2.0, 1e-4)]),
                        curve("b", &[(1.0, f64::NAN), (2.0, 0.5)]),
                    ],
                ),
                ("one point at zero".into(), vec![curve("a", &[(1.0, 0.0)])]),
                ("empty".into(), vec![]),
            ],
        };
        let path = folder.path().join("curves.png");
        curves.draw(&path).unwrap();
        let picture = image::open(path).unwrap().to_rgb8();
        assert_eq!(picture.dimensions(), (900, 960));
        let [r, g, b] = colour::PALETTE[0];
        assert!(picture.pixels().any(|pixel| pixel.0 == [r, g, b]), "the first line is drawn");
    }
}
