//! `trainer evaluate compare`: the ratio of two evaluations of the same clips.
//!
//! Both means vary with the clips, but their ratio varies less. The interval of the ratio resamples
//! the pieces of both evaluations together (paired bootstrap, Efron 1979).

use std::fmt::Write;
use std::path::{Path, PathBuf};

use engine::{Error, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use super::bootstrap::{mean, ratio_interval};
use super::{table, write_json};

/// Compares two evaluations of the same clips: two `--json` files of `transfer`, `audio` or
/// `recordings`, or two `report.json`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The first evaluation.
    pub before: PathBuf,
    /// The second evaluation.
    pub after: PathBuf,
    /// Seed of the bootstrap.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Also writes the ratios as JSON.
    #[arg(long)]
    pub json: Option<PathBuf>,
}

/// One row of one table, as [`Table::json`](super::table::Table::json) writes it.
#[derive(Clone, Debug, Deserialize)]
pub struct SavedRow {
    /// Name of the row.
    pub name: String,
    /// The piece of each clip.
    pieces: Vec<usize>,
    measures: serde_json::Map<String, Value>,
}

/// The mean of a measure divided by another row's mean, over the clips with a value in both rows,
/// with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// The ratio of the means.
    pub value: f64,
    /// 95 % interval over pieces.
    pub interval: (f64, f64),
}

/// The first rows of every table, which do not depend on a model: true target and content, or style
/// and content.
const BASELINES: usize = 2;
/// Relative tolerance of values of the same clip, because processors round differently.
const SAME: f64 = 1e-3;

impl SavedRow {
    /// This row's mean of a measure divided by another row's, on the same clips.
    pub fn ratio_to(&self, other: &Self, measure: &str, seed: u64) -> Ratio {
        let (own, others) = (self.values(measure), other.values(measure));
        let clips = own.iter().zip(&others).zip(&self.pieces);
        let both = clips.filter_map(|((a, b), piece)| Some((((*a)?, (*b)?), *piece)));
        let ((own, others), pieces): ((Vec<f64>, Vec<f64>), Vec<usize>) = both.unzip();
        Ratio {
            value: mean(&own) / mean(&others),
            interval: ratio_interval(&own, &others, &pieces, seed),
        }
    }

    /// The mean of a measure over the clips with a value; NaN without any.
    pub fn mean(&self, measure: &str) -> f64 {
        let values: Vec<f64> = self.values(measure).into_iter().flatten().collect();
        mean(&values)
    }

    /// A measure's value in each clip; `None` if it could not be measured.
    fn values(&self, measure: &str) -> Vec<Option<f64>> {
        let values = self
            .measures
            .get(measure)
            .and_then(|measure| measure.get("values"))
            .and_then(Value::as_array);
        values.map_or_else(Vec::new, |values| values.iter().map(Value::as_f64).collect())
    }

    /// A measure's value in a clip, if it could be measured.
    pub fn value(&self, measure: &str, clip: usize) -> Option<f64> {
        self.measures.get(measure)?.get("values")?.as_array()?.get(clip)?.as_f64()
    }

    /// The piece of a clip; `None` for an invalid index.
    pub fn piece(&self, clip: usize) -> Option<usize> {
        self.pieces.get(clip).copied()
    }

    /// Whether ratios of the measure are defined. The mean of a signed measure, such as a level
    /// difference, may be 0.
    fn is_magnitude(&self, measure: &str) -> bool {
        self.values(measure).into_iter().flatten().all(|value| value >= 0.0)
    }

    /// Whether both rows have the same pieces and equal values.
    fn has_same_clips(&self, other: &Self) -> bool {
        let measured = |measure: &String| {
            let (own, others) = (self.values(measure), other.values(measure));
            own.len() == others.len() && own.iter().zip(&others).all(|(a, b)| is_same_value(*a, *b))
        };
        self.pieces == other.pieces && self.measures.keys().all(measured)
    }
}

/// Whether two values are equal within the tolerance, or both missing.
pub fn is_same_value(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= SAME * (1.0 + a.abs()),
        (a, b) => a.is_none() && b.is_none(),
    }
}

/// The ratio of one measure of one row, after divided by before.
struct Change {
    row: String,
    measure: String,
    ratio: Ratio,
}

/// Compares two files, and prints a table for each table that both contain.
///
/// # Errors
/// If a file cannot be read, or the files contain different clips.
pub fn run(args: &Args) -> Result<()> {
    let (before, after) = (tables(&args.before)?, tables(&args.after)?);
    let mut written = Vec::new();
    for (title, rows) in &before {
        let Some((_, others)) = after.iter().find(|(other, _)| other == title) else { continue };
        let changes = changes(rows, others, args)?;
        println!("{}", section(title, rows, &changes));
        written.extend(changes.iter().map(|change| {
            let Change { row, measure, ratio: Ratio { value, interval: (low, high) } } = change;
            let interval = [low, high];
            json!({ "table": title, "row": row, "measure": measure, "ratio": value,
                "interval": interval })
        }));
    }
    if written.is_empty() {
        return Err(Error::file(
            &args.after,
            format!("expected a table of {}, found none", args.before.display()),
        ));
    }
    args.json.as_deref().map_or(Ok(()), |path| write_json(path, &json!(written)))
}

/// The tables of a file with their titles.
///
/// # Errors
/// If the file cannot be read or contains no rows.
pub fn tables(path: &Path) -> Result<Vec<(String, Vec<SavedRow>)>> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::file(path, e))?;
    let value: Value = serde_json::from_str(&text).map_err(|e| Error::file(path, e))?;
    let rows = |value: &Value| -> Result<Vec<SavedRow>> {
        let expected = "expected rows with pieces, as written by --json of this version";
        serde_json::from_value(value.clone())
            .map_err(|e| Error::file(path, format!("{expected}: {e}")))
    };
    let Some(sets) = value.get("sets").and_then(Value::as_array) else {
        return Ok(vec![(String::new(), rows(&value)?)]);
    };
    let mut tables = Vec::new();
    for set in sets {
        for part in ["images", "audio"] {
            if let Some(table) = set.get(part) {
                let title = set.get("title").and_then(Value::as_str).unwrap_or_default();
                tables.push((format!("{title}: {part}"), rows(table)?));
            }
        }
    }
    if let Some(table) = value.get("recordings") {
        tables.push(("Real recordings".into(), rows(table)?));
    }
    Ok(tables)
}

/// The ratios of all measures and rows that both evaluations contain.
fn changes(before: &[SavedRow], after: &[SavedRow], args: &Args) -> Result<Vec<Change>> {
    let same = before
        .iter()
        .zip(after)
        .take(BASELINES)
        .all(|(a, b)| a.name == b.name && a.has_same_clips(b));
    if !same {
        let expected = format!(
            "the clips of {}, found others (the first rows do not depend on the model)",
            args.before.display()
        );
        return Err(Error::file(&args.after, format!("expected {expected}")));
    }
    let mut changes = Vec::new();
    for row in before {
        let Some(other) = after.iter().find(|other| other.name == row.name) else { continue };
        let magnitudes =
            row.measures.keys().filter(|m| row.is_magnitude(m) && other.is_magnitude(m));
        for measure in magnitudes.filter(|measure| other.measures.contains_key(*measure)) {
            changes.push(Change {
                row: row.name.clone(),
                measure: measure.clone(),
                ratio: other.ratio_to(row, measure, args.seed),
            });
        }
    }
    Ok(changes)
}

fn section(title: &str, rows: &[SavedRow], changes: &[Change]) -> String {
    let clips = rows.first().map_or(0, |row| row.pieces.len());
    let mut text = format!(
        "{title}{}{clips} clips, after / before (95 %)\n\n",
        if title.is_empty() { "" } else { ", " }
    );
    let measures: Vec<&String> =
        rows.iter().flat_map(|row| row.measures.keys()).fold(Vec::new(), |mut seen, name| {
            if !seen.contains(&name) {
                seen.push(name);
            }
            seen
        });
    text += "| |";
    measures.iter().for_each(|name| {
        write!(text, " {} |", table::measure_title(name)).expect("write to string")
    });
    text += &format!("\n|---|{}\n", "---|".repeat(measures.len()));
    for row in rows {
        let find =
            |name: &&String| changes.iter().find(|c| c.row == row.name && c.measure == **name);
        let cells: String = measures.iter().map(|name| cell(find(name))).collect();
        writeln!(text, "| {} |{cells}", row.name).expect("write to string");
    }
    text
}

impl std::fmt::Display for Ratio {
    /// A dash if the ratio is undefined.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { value, interval: (low, high) } = self;
        match [value, low, high].iter().all(|v| v.is_finite()) {
            true => write!(f, "{value:.3} ({low:.3} to {high:.3})"),
            false => write!(f, "-"),
        }
    }
}

/// A dash if one evaluation lacks the measure.
fn cell(change: Option<&Change>) -> String {
    match change {
        Some(Change { ratio, .. }) => format!(" {ratio} |"),
        _ => " - |".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(folder: &Path, name: &str, pieces: &[usize], values: &[Option<f64>]) -> PathBuf {
        let path = folder.join(name);
        let row = |name: &str, values: Value| {
            let measures = json!({ "LSD": { "values": values } });
            json!({ "name": name, "pieces": pieces, "measures": measures })
        };
        let fixed: Vec<f64> = pieces.iter().map(|piece| 1.0 + *piece as f64).collect();
        let rows = json!([
            row("truth", json!(fixed)),
            row("copy", json!(fixed)),
            row("ours", json!(values))
        ]);
        std::fs::write(&path, rows.to_string()).unwrap();
        path
    }

    fn args(before: PathBuf, after: PathBuf) -> Args {
        Args { before, after, seed: 1, json: None }
    }

    #[test]
    fn clips_are_paired_and_clips_with_missing_values_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let pieces = [0, 1, 2, 3];
        let before =
            file(folder.path(), "a.json", &pieces, &[Some(1.0), Some(10.0), Some(100.0), None]);
        let after = file(
            folder.path(),
            "b.json",
            &pieces,
            &[Some(1.5), Some(15.0), Some(150.0), Some(7.0)],
        );
        let args = args(before, after);
        let (a, b) = (tables(&args.before).unwrap(), tables(&args.after).unwrap());
        let found = changes(&a[0].1, &b[0].1, &args).unwrap();
        let ours = found.iter().find(|change| change.row == "ours").unwrap();
        // The ratio is 1.5 for every piece, so every resample has the same ratio.
        assert!(
            (ours.ratio.value - 1.5).abs() < 1e-12
                && (ours.ratio.interval.1 - ours.ratio.interval.0).abs() < 1e-12
        );
        assert!(section("", &a[0].1, &found).contains("| ours | 1.500 (1.500 to 1.500) |"));
        run(&args).unwrap();
    }

    #[test]
    fn a_signed_measure_has_no_ratio() {
        let folder = tempfile::tempdir().unwrap();
        let before = file(folder.path(), "a.json", &[0, 1], &[Some(-3.0), Some(2.0)]);
        let after = file(folder.path(), "b.json", &[0, 1], &[Some(1.0), Some(2.0)]);
        let args = args(before, after);
        let (a, b) = (tables(&args.before).unwrap(), tables(&args.after).unwrap());
        let found = changes(&a[0].1, &b[0].1, &args).unwrap();
        assert!(found.iter().all(|change| change.row != "ours"));
        assert!(section("", &a[0].1, &found).contains("| ours | - |"));
    }

    #[test]
    fn other_clips_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let before = file(folder.path(), "a.json", &[0, 1], &[Some(1.0), Some(2.0)]);
        let after = file(folder.path(), "b.json", &[0, 2], &[Some(1.0), Some(2.0)]);
        let message = run(&args(before, after)).unwrap_err().to_string();
        assert!(message.contains("b.json") && message.contains("the clips of"), "{message}");
        let old = folder.path().join("old.json");
        std::fs::write(&old, r#"[{"name":"ours","measures":{}}]"#).unwrap();
        assert!(run(&args(old.clone(), old)).unwrap_err().to_string().contains("pieces"));
    }
}
