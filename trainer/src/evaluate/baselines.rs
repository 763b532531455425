//! Rows that do not depend on the model, read from an earlier evaluation of the same clips
//! (`docs/decisions/048-reused-baselines.md`).

use std::path::{Path, PathBuf};

use engine::{Error, Result};

use super::compare;
use super::table::Measures;

/// Saved rows. The first row identifies the clips.
pub struct Baselines {
    path: PathBuf,
    first: compare::SavedRow,
    others: Vec<compare::SavedRow>,
}

impl Baselines {
    /// Reads a file of `--json`: the row `first`, which is measured again, and the rows `others`,
    /// which are not.
    ///
    /// # Errors
    /// If the file cannot be read or a row is missing.
    pub fn read(path: &Path, first: &str, others: &[&str]) -> Result<Self> {
        let tables = compare::tables(path)?;
        let row = |name: &str| {
            let mut rows = tables.iter().flat_map(|(_, rows)| rows);
            let found = rows.find(|row| row.name == name).cloned();
            found.ok_or_else(|| Error::file(path, format!("expected a row `{name}`, found none")))
        };
        let others = others.iter().map(|name| row(name)).collect::<Result<_>>()?;
        Ok(Self { path: path.to_path_buf(), first: row(first)?, others })
    }

    /// The saved rows of a clip. `measured` is its first row, measured again.
    ///
    /// # Errors
    /// If the first row of the file is that of another clip.
    pub fn rows_for_clip(
        &self,
        clip: usize,
        piece: usize,
        measured: &Measures,
    ) -> Result<Vec<(String, Measures)>> {
        let same = |(name, value): &(&str, f64)| {
            let saved = self.first.value(name, clip);
            compare::is_same_value(saved, (!value.is_nan()).then_some(*value))
        };
        if self.first.piece(clip) != Some(piece) || !measured.iter().all(same) {
            let expected = format!(
                "expected the clips of this evaluation, found another as number {}",
                clip + 1
            );
            return Err(Error::file(&self.path, expected));
        }
        let row = |row: &compare::SavedRow| {
            let value = |(name, _): &(&'static str, f64)| {
                (*name, row.value(name, clip).unwrap_or(f64::NAN))
            };
            (row.name.clone(), measured.iter().map(value).collect())
        };
        Ok(self.others.iter().map(row).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::table::{Column, Form, Table};
    use crate::evaluate::write_json;

    const COLUMNS: [Column; 2] =
        [Column::new("F1", "f1", Form::Mean), Column::new("LSD", "lsd", Form::Mean)];

    #[test]
    fn saved_clips_are_identified_and_others_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("before.json");
        let mut table = Table::new(&COLUMNS, 1);
        for (piece, f1) in [(3, 0.5), (4, 0.75)] {
            table.push("truth".into(), piece, vec![("f1", f1), ("lsd", 0.0)]);
            table.push("copy".into(), piece, vec![("f1", f1 - 0.25), ("lsd", f64::NAN)]);
        }
        write_json(&path, &table.json()).unwrap();
        let saved = Baselines::read(&path, "truth", &["copy"]).unwrap();
        let rows = saved.rows_for_clip(1, 4, &vec![("f1", 0.7501), ("lsd", 0.0)]).unwrap();
        assert_eq!((rows[0].0.as_str(), rows[0].1[0]), ("copy", ("f1", 0.5)));
        assert!(rows[0].1[1].1.is_nan(), "missing values stay missing");
        for (clip, piece, f1) in [(1, 3, 0.75), (1, 4, 0.5), (2, 4, 0.75)] {
            let error = saved
                .rows_for_clip(clip, piece, &vec![("f1", f1), ("lsd", 0.0)])
                .unwrap_err()
                .to_string();
            assert!(error.contains("before.json") && error.contains("this evaluation"), "{error}");
        }
        assert!(
            Baselines::read(&path, "truth", &["other"])
                .err()
                .unwrap()
                .to_string()
                .contains("`other`")
        );
    }
}
