//! Measures of many clips as one table.

use std::path::Path;

use engine::{Error, Result};
use serde_json::{Value, json};

use super::bootstrap::{mean, mean_interval, ratio_interval};

/// One output's measures by name.
pub type Row = Vec<(&'static str, f64)>;

/// One measure's values, one a clip.
type Series = (&'static str, Vec<f64>);

/// Rows of clips: the first row is the true target, the second the content copy.
#[derive(Default)]
pub struct Table {
    seed: u64,
    /// The piece of each clip.
    pieces: Vec<usize>,
    /// Every row's name and measures.
    rows: Vec<(String, Vec<Series>)>,
}

impl Table {
    /// An empty table; `seed` draws the bootstrap.
    pub fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// Adds one clip's measures to a row; every clip has all rows in the same order.
    pub fn push(&mut self, name: String, piece: usize, measures: Row) {
        let index = self.rows.iter().position(|row| row.0 == name).unwrap_or_else(|| {
            self.rows.push((name, measures.iter().map(|m| (m.0, Vec::new())).collect()));
            self.rows.len() - 1
        });
        if index == 0 {
            self.pieces.push(piece);
        }
        for ((_, values), (_, value)) in self.rows[index].1.iter_mut().zip(measures) {
            values.push(value);
        }
    }

    fn values(&self, row: usize, measure: &str) -> &[f64] {
        let found = self.rows[row].1.iter().find(|(name, _)| *name == measure);
        found.map_or(&[], |(_, values)| values.as_slice())
    }

    /// Prints it as Markdown, with 95 % intervals over pieces for the two measures that matter most.
    pub fn print(&self) {
        println!(
            "| | note F1 (95 %) | / true target's | unasked | pitch JD | mel LSD, dB | / content copy's (95 %) | chroma | judged right | level off, dB | seam flux |"
        );
        println!("|---|---|---|---|---|---|---|---|---|---|---|");
        for (i, (name, _)) in self.rows.iter().enumerate() {
            let of = |measure| mean(self.values(i, measure));
            let (f1, lsd) = (self.values(i, "note F1"), self.values(i, "LSD"));
            let (low, high) = mean_interval(f1, &self.pieces, self.seed);
            let share = mean(f1) / mean(self.values(0, "note F1"));
            let copy = self.values(1, "LSD");
            let (ratio_low, ratio_high) = ratio_interval(lsd, copy, &self.pieces, self.seed);
            println!(
                "| {name} | {:.3} ({low:.3} to {high:.3}) | {share:.3} | {:.3} | {:.3} | {:.2} | {:.3} ({ratio_low:.3} to {ratio_high:.3}) | {:.3} | {:.3} | {:.2} | {:.2} |",
                mean(f1),
                of("unasked"),
                of("JD"),
                mean(lsd),
                mean(lsd) / mean(copy),
                of("chroma"),
                of("judged"),
                of("level"),
                of("seam")
            );
        }
    }

    /// Writes every mean with its 95 % interval over pieces.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let measure = |(name, values): &Series| {
            let (low, high) = mean_interval(values, &self.pieces, self.seed);
            ((*name).to_string(), json!({ "mean": mean(values), "interval": [low, high] }))
        };
        let row = |(name, measures): &(String, Vec<Series>)| {
            let measures: serde_json::Map<String, Value> = measures.iter().map(measure).collect();
            json!({ "name": name, "measures": measures })
        };
        let rows: Vec<Value> = self.rows.iter().map(row).collect();
        std::fs::write(path, format!("{:#}\n", json!(rows))).map_err(|e| Error::file(path, e))
    }
}
