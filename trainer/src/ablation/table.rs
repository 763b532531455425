//! The table of an ablation.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::row_file::AblationRow;
use super::saved::Set;
use super::{Report, STEPS};
use crate::evaluate::compare::Ratio;
use crate::evaluate::row_name;

/// Seed of the bootstrap.
const SEED: u64 = 1;
/// The rows of `evaluate transfer` to compare with.
const COPY: &str = "content copy";
const TRUTH: &str = "true target";

/// The figures of one row on one set.
struct Figures {
    title: String,
    folder: String,
    /// By steps: mel LSD and timbre distance, divided by the content copy's.
    over_copy: Vec<[Ratio; 2]>,
    /// By steps: fast modulation, divided by the true target's.
    sharpness: Vec<f64>,
    /// By steps: share classified as the target.
    classified: Vec<f64>,
    /// By steps: mel LSD, timbre distance and fast modulation, divided by the first row's.
    over_first: Vec<[Ratio; 3]>,
}

impl Figures {
    fn new(row: &AblationRow, set: &Set, first: &Set) -> Result<Self> {
        let mut figures = Self {
            title: row.title.clone(),
            folder: row.folder.clone(),
            over_copy: Vec::new(),
            sharpness: Vec::new(),
            classified: Vec::new(),
            over_first: Vec::new(),
        };
        for name in STEPS.map(row_name) {
            let (own, first_row) = (set.row(&name)?, first.row(&name)?);
            let copy = set.row(COPY)?;
            figures
                .over_copy
                .push(["LSD", "timbre"].map(|measure| own.ratio_to(copy, measure, SEED)));
            figures.sharpness.push(own.ratio_to(set.row(TRUTH)?, "modulation", SEED).value);
            figures.classified.push(own.mean("heard"));
            figures.over_first.push(
                ["LSD", "timbre", "modulation"]
                    .map(|measure| own.ratio_to(first_row, measure, SEED)),
            );
        }
        Ok(figures)
    }

    fn line(&self) -> String {
        let steps = |cell: &dyn Fn(usize) -> String| {
            (0..STEPS.len()).map(cell).collect::<Vec<_>>().join(" / ")
        };
        let over_copy = |measure: usize| steps(&|i| figure(self.over_copy[i][measure].value));
        let last = self.over_first.last().expect("steps");
        format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} |\n",
            self.title,
            over_copy(0),
            over_copy(1),
            steps(&|i| figure(self.sharpness[i])),
            steps(&|i| figure(self.classified[i])),
            self.over_first[0][0],
            last[0],
            last[1],
        )
    }

    fn json(&self) -> Value {
        let ratio =
            |r: &Ratio| json!({ "ratio": r.value, "interval": [r.interval.0, r.interval.1] });
        let at_steps = |i: usize| {
            json!({
                "steps": STEPS[i],
                "LSD / content copy's": ratio(&self.over_copy[i][0]),
                "timbre / content copy's": ratio(&self.over_copy[i][1]),
                "modulation / true target's": self.sharpness[i],
                "heard": self.classified[i],
                "LSD / first row's": ratio(&self.over_first[i][0]),
                "timbre / first row's": ratio(&self.over_first[i][1]),
                "modulation / first row's": ratio(&self.over_first[i][2]),
            })
        };
        let figures: Vec<Value> = (0..STEPS.len()).map(at_steps).collect();
        json!({ "folder": self.folder, "title": self.title, "figures": figures })
    }
}

/// One table for each set, with the rows so far.
///
/// # Errors
/// If there is no row, or a saved evaluation lacks a row.
pub fn report(rows: &[(AblationRow, Vec<Set>)]) -> Result<Report> {
    let first = &rows.first().context("expected a row, found none")?.1;
    let (mut text, mut sets) = (String::new(), Vec::new());
    for (i, set) in first.iter().enumerate() {
        let figures = rows.iter().map(|(row, sets)| Figures::new(row, &sets[i], set));
        let figures = figures.collect::<Result<Vec<_>>>()?;
        text += &heading(&set.title);
        figures.iter().for_each(|row| text += &row.line());
        let rows: Vec<Value> = figures.iter().map(Figures::json).collect();
        sets.push(json!({ "title": set.title, "rows": rows }));
    }
    Ok(Report { text, figures: json!(sets) })
}

/// A dash if the value could not be measured, for example for an instrument that the classifier has
/// no label for.
fn figure(value: f64) -> String {
    if value.is_finite() { format!("{value:.3}") } else { "-".into() }
}

fn heading(title: &str) -> String {
    let [few, many] = STEPS;
    let columns = [
        format!("{few} / {many} steps"),
        "mel LSD / content copy's".into(),
        "timbre distance / content copy's".into(),
        "fast modulation / true target's".into(),
        "classified as target".into(),
        format!("LSD / first row's, {few} step (95 %)"),
        format!("LSD / first row's, {many} steps"),
        format!("timbre distance / first row's, {many} steps"),
    ];
    format!("\n{title}\n\n| {} |\n|{}\n", columns.join(" | "), "---|".repeat(columns.len()))
}
