//! Tables of measures over many clips.

use std::fmt::Write;

use serde_json::{Value, json};

use super::bootstrap::{mean, mean_interval, ratio_interval};

/// The measures of one output by key. A value that cannot be measured is NaN and is left out of the
/// means.
pub type Measures = Vec<(&'static str, f64)>;

/// A measure's key, and its value in each clip.
type Series = (&'static str, Vec<f64>);

/// Statistic of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The mean.
    Mean,
    /// The mean and its 95 % interval over pieces.
    MeanInterval,
    /// The mean, divided by the true target's.
    OfTruth,
    /// The mean, divided by the content copy's, and its 95 % interval over pieces.
    OfCopy,
}

/// One column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Title.
    pub title: &'static str,
    /// Key of the measure.
    pub measure: &'static str,
    /// Statistic.
    pub form: Form,
    /// Decimal places.
    pub digits: usize,
}

impl Column {
    /// A column with three decimal places.
    pub const fn new(title: &'static str, measure: &'static str, form: Form) -> Self {
        Self { title, measure, form, digits: 3 }
    }

    /// A column with two decimal places, for decibels.
    pub const fn coarse(title: &'static str, measure: &'static str, form: Form) -> Self {
        Self { digits: 2, ..Self::new(title, measure, form) }
    }
}

/// Rows of measures. The first row is the true target, the second the content copy.
pub struct Table {
    columns: &'static [Column],
    seed: u64,
    /// The piece of each clip.
    pieces: Vec<usize>,
    /// Name and measures of every row.
    rows: Vec<(String, Vec<Series>)>,
}

impl Table {
    /// An empty table. `seed` is that of the bootstrap.
    pub fn new(columns: &'static [Column], seed: u64) -> Self {
        Self { columns, seed, pieces: Vec::new(), rows: Vec::new() }
    }

    /// Adds the measures of one clip to a row. Every clip must have the same rows in the same
    /// order.
    pub fn push(&mut self, name: String, piece: usize, measures: Measures) {
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

    /// Adds the measures of one clip to all rows.
    pub fn push_all(&mut self, piece: usize, rows: impl IntoIterator<Item = (String, Measures)>) {
        for (name, row) in rows {
            self.push(name, piece, row);
        }
    }

    /// Number of clips.
    pub fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Whether the table has no clips.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Values of a measure in a row and in the row `reference`, and their pieces, for the clips
    /// with a value in both.
    fn values(
        &self,
        row: usize,
        reference: usize,
        measure: &str,
    ) -> (Vec<f64>, Vec<f64>, Vec<usize>) {
        let series = |row: usize| {
            let found =
                self.rows.get(row).and_then(|row| row.1.iter().find(|(name, _)| *name == measure));
            found.map_or(&[][..], |(_, values)| values.as_slice())
        };
        let clips = series(row).iter().zip(series(reference)).zip(&self.pieces);
        let measured = clips.filter(|((a, b), _)| a.is_finite() && b.is_finite());
        let (mut own, mut others, mut pieces) = (Vec::new(), Vec::new(), Vec::new());
        for ((a, b), piece) in measured {
            own.push(*a);
            others.push(*b);
            pieces.push(*piece);
        }
        (own, others, pieces)
    }

    /// The value of a column in a row, and its 95 % interval if it has one.
    fn figure(&self, row: usize, column: &Column) -> (f64, Option<(f64, f64)>) {
        let reference = match column.form {
            Form::OfTruth => 0,
            Form::OfCopy => 1,
            Form::Mean | Form::MeanInterval => row,
        };
        let (own, others, pieces) = self.values(row, reference, column.measure);
        match column.form {
            Form::Mean => (mean(&own), None),
            Form::MeanInterval => (mean(&own), Some(mean_interval(&own, &pieces, self.seed))),
            Form::OfTruth => (mean(&own) / mean(&others), None),
            Form::OfCopy => (
                mean(&own) / mean(&others),
                Some(ratio_interval(&own, &others, &pieces, self.seed)),
            ),
        }
    }

    /// The table of the clips that `keep` selects.
    pub fn subset(&self, keep: impl Fn(usize) -> bool) -> Self {
        fn select<T: Copy>(values: &[T], keep: &impl Fn(usize) -> bool) -> Vec<T> {
            values
                .iter()
                .enumerate()
                .filter(|(clip, _)| keep(*clip))
                .map(|(_, value)| *value)
                .collect()
        }
        let series = |(name, values): &Series| (*name, select(values, &keep));
        let rows =
            self.rows.iter().map(|(name, row)| (name.clone(), row.iter().map(series).collect()));
        Self { pieces: select(&self.pieces, &keep), rows: rows.collect(), ..*self }
    }

    /// The same rows with other columns.
    pub fn with_columns(&self, columns: &'static [Column]) -> Self {
        Self { columns, ..self.subset(|_| true) }
    }

    /// The table as Markdown.
    pub fn markdown(&self) -> String {
        let lines = self.rows.iter().enumerate().map(|(row, (name, _))| self.line(row, name));
        self.heading() + &lines.collect::<String>()
    }

    /// The heading as Markdown.
    pub fn heading(&self) -> String {
        let mut text = String::from("| |");
        self.columns.iter().for_each(|c| write!(text, " {} |", c.title).expect("write to string"));
        text + "\n|---|" + &"---|".repeat(self.columns.len()) + "\n"
    }

    /// A row as Markdown with another title; empty if the row does not exist.
    pub fn row_line(&self, name: &str, title: &str) -> String {
        let row = self.rows.iter().position(|row| row.0 == name);
        row.map_or_else(String::new, |row| self.line(row, title))
    }

    fn line(&self, row: usize, title: &str) -> String {
        let cells = self.columns.iter().map(|column| cell(self.figure(row, column), column.digits));
        format!("| {title} |{}\n", cells.collect::<String>())
    }

    /// Every measure's mean, 95 % interval over pieces and values (null if it could not be
    /// measured), by row. [`super::compare`] reads it.
    pub fn json(&self) -> Value {
        let measure = |row: usize, (name, all): &Series| {
            let (values, _, pieces) = self.values(row, row, name);
            let (low, high) = mean_interval(&values, &pieces, self.seed);
            let figures = json!({
                "mean": mean(&values),
                "interval": [low, high],
                "clips": values.len(),
                "values": all,
            });
            (name.to_string(), figures)
        };
        let row = |(i, (name, series)): (usize, &(String, Vec<Series>))| {
            let measures: serde_json::Map<String, Value> =
                series.iter().map(|series| measure(i, series)).collect();
            json!({ "name": name, "pieces": self.pieces, "measures": measures })
        };
        json!(self.rows.iter().enumerate().map(row).collect::<Vec<_>>())
    }
}

/// Title of a measure. The keys in files are older than the titles and stay as they are.
pub fn measure_title(key: &str) -> &str {
    match key {
        "unasked" => "extra notes",
        "heard" | "judged" => "classified as target",
        "JD" => "pitch JD",
        other => other,
    }
}

fn cell((value, interval): (f64, Option<(f64, f64)>), digits: usize) -> String {
    match interval {
        _ if !value.is_finite() => " - |".into(),
        None => format!(" {value:.digits$} |"),
        Some((low, high)) => format!(" {value:.digits$} ({low:.digits$} to {high:.digits$}) |"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [
        Column::coarse("LSD", "lsd", Form::Mean),
        Column::new("/ copy's", "lsd", Form::OfCopy),
        Column::new("/ truth's", "level", Form::OfTruth),
    ];

    #[test]
    fn clips_without_a_value_are_left_out_in_both_rows() {
        let mut table = Table::new(&COLUMNS, 1);
        for (piece, (truth, copy, ours)) in
            [(1.0, 10.0, 5.0), (f64::NAN, 30.0, f64::NAN), (3.0, 20.0, 10.0)]
                .into_iter()
                .enumerate()
        {
            table.push("truth".into(), piece, vec![("lsd", 0.0), ("level", truth)]);
            table.push("copy".into(), piece, vec![("lsd", copy), ("level", 1.0)]);
            table.push("ours".into(), piece, vec![("lsd", ours), ("level", 4.0)]);
        }
        let text = table.markdown();
        let last = text.lines().last().unwrap();
        assert_eq!(last, "| ours | 7.50 | 0.500 (0.500 to 0.500) | 2.000 |");
        assert_eq!(table.json()[2]["measures"]["lsd"]["clips"], 2);
    }

    #[test]
    fn a_measure_without_values_is_a_dash() {
        let mut table = Table::new(&COLUMNS, 1);
        for name in ["truth", "copy"] {
            table.push(name.into(), 0, vec![("lsd", f64::NAN), ("level", f64::NAN)]);
        }
        assert_eq!(table.markdown().lines().last().unwrap(), "| copy | - | - | - |");
        assert!(table.json()[1]["measures"]["lsd"]["mean"].is_null());
    }

    #[test]
    fn a_subset_has_the_figures_of_its_clips() {
        let mut table = Table::new(&COLUMNS, 1);
        for piece in 0..4 {
            for (name, lsd) in [("truth", 0.0), ("copy", 10.0), ("ours", piece as f64)] {
                table.push(name.into(), piece, vec![("lsd", lsd), ("level", 2.0)]);
            }
        }
        let part = table.subset(|clip| clip > 1);
        assert_eq!(part.len(), 2);
        assert_eq!(
            part.row_line("ours", "two"),
            "| two | 2.50 | 0.250 (0.200 to 0.300) | 1.000 |\n"
        );
        assert!(part.row_line("theirs", "none").is_empty() && table.subset(|_| false).is_empty());
    }
}
