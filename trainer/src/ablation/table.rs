//! The rows of an ablation side by side.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::judged::Set;
use super::rows::Row;
use super::{Report, STEPS};
use crate::evaluate::compare::Ratio;
use crate::evaluate::row_name;

/// Seed of the bootstrap.
const SEED: u64 = 1;
/// The rows of `evaluate transfer` that are compared with.
const COPY: &str = "content copy";
const TRUTH: &str = "true target";

/// What a row of the recipe is on one set.
struct Figures {
    title: String,
    folder: String,
    /// By steps: mel LSD and timbre distance over the content copy's.
    of_copy: Vec<[Ratio; 2]>,
    /// By steps: fast modulation over the true target's.
    sharpness: Vec<f64>,
    /// By steps: heard as the target.
    heard: Vec<f64>,
    /// By steps: mel LSD, timbre distance and fast modulation over the first row's.
    of_first: Vec<[Ratio; 3]>,
}

impl Figures {
    fn new(row: &Row, set: &Set, first: &Set) -> Result<Self> {
        let mut figures = Self {
            title: row.title.clone(),
            folder: row.folder.clone(),
            of_copy: Vec::new(),
            sharpness: Vec::new(),
            heard: Vec::new(),
            of_first: Vec::new(),
        };
        for name in STEPS.map(row_name) {
            let (own, firsts) = (set.row(&name)?, first.row(&name)?);
            let copy = set.row(COPY)?;
            figures.of_copy.push(["LSD", "timbre"].map(|measure| own.over(copy, measure, SEED)));
            figures.sharpness.push(own.over(set.row(TRUTH)?, "modulation", SEED).value);
            figures.heard.push(own.mean("heard"));
            figures.of_first.push(
                ["LSD", "timbre", "modulation"].map(|measure| own.over(firsts, measure, SEED)),
            );
        }
        Ok(figures)
    }

    fn line(&self) -> String {
        let steps = |cell: &dyn Fn(usize) -> String| {
            (0..STEPS.len()).map(cell).collect::<Vec<_>>().join(" / ")
        };
        let of_copy = |measure: usize| steps(&|i| figure(self.of_copy[i][measure].value));
        let last = self.of_first.last().expect("steps");
        format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} |\n",
            self.title,
            of_copy(0),
            of_copy(1),
            steps(&|i| figure(self.sharpness[i])),
            steps(&|i| figure(self.heard[i])),
            self.of_first[0][0],
            last[0],
            last[1],
        )
    }

    fn json(&self) -> Value {
        let ratio =
            |r: &Ratio| json!({ "ratio": r.value, "interval": [r.interval.0, r.interval.1] });
        let of_steps = |i: usize| {
            json!({
                "steps": STEPS[i],
                "LSD / content copy's": ratio(&self.of_copy[i][0]),
                "timbre / content copy's": ratio(&self.of_copy[i][1]),
                "modulation / true target's": self.sharpness[i],
                "heard": self.heard[i],
                "LSD / first row's": ratio(&self.of_first[i][0]),
                "timbre / first row's": ratio(&self.of_first[i][1]),
                "modulation / first row's": ratio(&self.of_first[i][2]),
            })
        };
        let figures: Vec<Value> = (0..STEPS.len()).map(of_steps).collect();
        json!({ "folder": self.folder, "title": self.title, "figures": figures })
    }
}

/// One table a set, of the rows so far.
pub fn report(rows: &[(Row, Vec<Set>)]) -> Result<Report> {
    let first = &rows.first().context("expected a row, found none")?.1;
    let (mut text, mut sets) = (String::new(), Vec::new());
    for (i, set) in first.iter().enumerate() {
        let figures = rows.iter().map(|(row, sets)| Figures::new(row, &sets[i], set));
        let figures = figures.collect::<Result<Vec<_>>>()?;
        text += &heading(&set.title);
        figures.iter().for_each(|row| text += &row.line());
        sets.push(
            json!({ "title": set.title, "rows": figures.iter().map(Figures::json).collect::<Vec<_>>() }),
        );
    }
    Ok(Report { text, figures: json!(sets) })
}

/// What could not be measured, as an instrument that the classifier does not know, is no number.
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
        "heard as the target".into(),
        format!("LSD / first row's, {few} step (95 %)"),
        format!("LSD / first row's, {many} steps"),
        format!("timbre distance / first row's, {many} steps"),
    ];
    format!("\n{title}\n\n| {} |\n|{}\n", columns.join(" | "), "---|".repeat(columns.len()))
}
