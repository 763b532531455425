//! Measures of many clips as one table.

use std::fmt::Write;

use serde_json::{Value, json};

use super::bootstrap::{mean, mean_interval, ratio_interval};

/// One output's measures by name; what cannot be measured in a clip is NaN and left out of the
/// mean.
pub type Row = Vec<(&'static str, f64)>;

/// One measure's values, one a clip.
type Series = (&'static str, Vec<f64>);

/// What a column says of a measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The mean.
    Mean,
    /// The mean and its 95 % interval over pieces.
    MeanInterval,
    /// The mean over the true target's.
    OfTruth,
    /// The mean over the content copy's, and its 95 % interval over pieces.
    OfCopy,
}

/// One column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// What stands above it.
    pub title: &'static str,
    /// Which measure.
    pub measure: &'static str,
    /// What is said of it.
    pub form: Form,
    /// Digits after the point.
    pub digits: usize,
}

impl Column {
    /// A column of three digits.
    pub const fn new(title: &'static str, measure: &'static str, form: Form) -> Self {
        Self { title, measure, form, digits: 3 }
    }

    /// A column of two digits: decibels.
    pub const fn coarse(title: &'static str, measure: &'static str, form: Form) -> Self {
        Self { digits: 2, ..Self::new(title, measure, form) }
    }
}

/// Rows of clips: the first row is the true target, the second the content copy.
pub struct Table {
    columns: &'static [Column],
    seed: u64,
    /// The piece of each clip.
    pieces: Vec<usize>,
    /// Every row's name and measures.
    rows: Vec<(String, Vec<Series>)>,
}

impl Table {
    /// An empty table; `seed` draws the bootstrap.
    pub fn new(columns: &'static [Column], seed: u64) -> Self {
        Self { columns, seed, pieces: Vec::new(), rows: Vec::new() }
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

    /// Adds one item of a piece to every row that it has measures for.
    pub fn push_all(&mut self, piece: usize, rows: impl IntoIterator<Item = (String, Row)>) {
        for (name, row) in rows {
            self.push(name, piece, row);
        }
    }

    /// Clips.
    pub fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Whether there is no clip yet.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// A row's values of a measure where the row and `beside` (another row of it) could be
    /// measured, and their pieces.
    fn values(&self, row: usize, beside: usize, measure: &str) -> (Vec<f64>, Vec<f64>, Vec<usize>) {
        let series = |row: usize| {
            let found =
                self.rows.get(row).and_then(|row| row.1.iter().find(|(name, _)| *name == measure));
            found.map_or(&[][..], |(_, values)| values.as_slice())
        };
        let clips = series(row).iter().zip(series(beside)).zip(&self.pieces);
        let measured = clips.filter(|((a, b), _)| a.is_finite() && b.is_finite());
        let (mut own, mut others, mut pieces) = (Vec::new(), Vec::new(), Vec::new());
        for ((a, b), piece) in measured {
            own.push(*a);
            others.push(*b);
            pieces.push(*piece);
        }
        (own, others, pieces)
    }

    /// What a column says of a row: a figure, and the 95 % interval where it has one.
    fn figure(&self, row: usize, column: &Column) -> (f64, Option<(f64, f64)>) {
        let beside = match column.form {
            Form::OfTruth => 0,
            Form::OfCopy => 1,
            Form::Mean | Form::MeanInterval => row,
        };
        let (own, others, pieces) = self.values(row, beside, column.measure);
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

    /// The table of some of the clips.
    pub fn part(&self, keep: impl Fn(usize) -> bool) -> Self {
        fn kept<T: Copy>(values: &[T], keep: &impl Fn(usize) -> bool) -> Vec<T> {
            values
                .iter()
                .enumerate()
                .filter(|(clip, _)| keep(*clip))
                .map(|(_, value)| *value)
                .collect()
        }
        let series = |(name, values): &Series| (*name, kept(values, &keep));
        let rows =
            self.rows.iter().map(|(name, row)| (name.clone(), row.iter().map(series).collect()));
        Self { pieces: kept(&self.pieces, &keep), rows: rows.collect(), ..*self }
    }

    /// The same rows under other columns.
    pub fn under(&self, columns: &'static [Column]) -> Self {
        Self { columns, ..self.part(|_| true) }
    }

    /// As Markdown.
    pub fn markdown(&self) -> String {
        let lines = self.rows.iter().enumerate().map(|(row, (name, _))| self.line(row, name));
        self.heading() + &lines.collect::<String>()
    }

    /// What stands above the rows.
    pub fn heading(&self) -> String {
        let mut text = String::from("| |");
        self.columns
            .iter()
            .for_each(|c| write!(text, " {} |", c.title).expect("a string takes it"));
        text + "\n|---|" + &"---|".repeat(self.columns.len()) + "\n"
    }

    /// The row of a name, called otherwise; nothing where there is none.
    pub fn line_of(&self, name: &str, title: &str) -> String {
        let row = self.rows.iter().position(|row| row.0 == name);
        row.map_or_else(String::new, |row| self.line(row, title))
    }

    fn line(&self, row: usize, title: &str) -> String {
        let cells = self.columns.iter().map(|column| cell(self.figure(row, column), column.digits));
        format!("| {title} |{}\n", cells.collect::<String>())
    }

    /// Every measure's mean with its 95 % interval over pieces, and its values (null where it could
    /// not be measured), by row; [`super::compare`] reads it.
    pub fn json(&self) -> Value {
        let measure = |row: usize, (name, all): &Series| {
            let (values, _, pieces) = self.values(row, row, name);
            let (low, high) = mean_interval(&values, &pieces, self.seed);
            let figures = json!({ "mean": mean(&values), "interval": [low, high], "clips": values.len(), "values": all });
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
    fn a_clip_that_cannot_be_measured_is_left_out_on_both_sides() {
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
    fn what_no_clip_could_measure_is_no_figure() {
        let mut table = Table::new(&COLUMNS, 1);
        for name in ["truth", "copy"] {
            table.push(name.into(), 0, vec![("lsd", f64::NAN), ("level", f64::NAN)]);
        }
        assert_eq!(table.markdown().lines().last().unwrap(), "| copy | - | - | - |");
        assert!(table.json()[1]["measures"]["lsd"]["mean"].is_null());
    }

    #[test]
    fn a_part_has_the_figures_of_its_clips() {
        let mut table = Table::new(&COLUMNS, 1);
        for piece in 0..4 {
            for (name, lsd) in [("truth", 0.0), ("copy", 10.0), ("ours", piece as f64)] {
                table.push(name.into(), piece, vec![("lsd", lsd), ("level", 2.0)]);
            }
        }
        let part = table.part(|clip| clip > 1);
        assert_eq!(part.len(), 2);
        assert_eq!(
            part.line_of("ours", "two"),
            "| two | 2.50 | 0.250 (0.200 to 0.300) | 1.000 |\n"
        );
        assert!(part.line_of("theirs", "none").is_empty() && table.part(|_| false).is_empty());
    }
}
