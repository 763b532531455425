//! Pictures of a run's log.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::Value;

use super::folder::Folder;
use crate::plot::{Curve, Curves};

/// Draws `curves.png`: loss terms, validation metrics, learning rate and gradient norm over steps.
///
/// # Errors
/// If the log cannot be read or the picture cannot be written.
pub fn draw_curves(folder: &Folder) -> Result<()> {
    curves(&folder.lines()?).draw(&folder.path().join("curves.png"))
}

/// The log's lines as charts. Values that were never logged have no chart.
pub fn curves(lines: &[Value]) -> Curves {
    let mut losses = Lines::default();
    let mut validation = Lines::default();
    let mut rate = Lines::default();
    let mut norm = Lines::default();
    for line in lines {
        let Some(step) = line["step"].as_f64() else { continue };
        losses.add("weighted sum", step, &line["loss"]);
        losses.add_all(step, &line["terms"]);
        validation.add_all(step, &line["validation"]);
        rate.add("learning rate", step, &line["learning_rate"]);
        norm.add("gradient norm", step, &line["gradient_norm"]);
    }
    let charts = [
        ("training losses", losses),
        ("validation", validation),
        ("learning rate", rate),
        ("gradient norm before clipping", norm),
    ];
    let charts = charts.into_iter().map(|(title, lines)| (title.to_string(), lines.curves()));
    Curves { charts: charts.filter(|(_, curves)| !curves.is_empty()).collect() }
}

/// Values by name, in order of steps.
#[derive(Default)]
struct Lines(BTreeMap<String, Vec<(f64, f64)>>);

impl Lines {
    fn add(&mut self, name: &str, step: f64, value: &Value) {
        if let Some(value) = value.as_f64() {
            self.0.entry(name.to_string()).or_default().push((step, value));
        }
    }

    fn add_all(&mut self, step: f64, values: &Value) {
        for (name, value) in values.as_object().into_iter().flatten() {
            self.add(name, step, value);
        }
    }

    fn curves(self) -> Vec<Curve> {
        self.0.into_iter().map(|(name, points)| Curve { name, points }).collect()
    }
}
