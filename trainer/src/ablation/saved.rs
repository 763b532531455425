//! The saved evaluation of one row's model. `evaluate compare` reads the same file.

use std::path::Path;

use anyhow::{Context, Result};
use engine::checkpoint::sha256_hex;
use serde_json::{Value, json};

use crate::data::dataset::description::DESCRIPTION_FILE;
use crate::evaluate::compare::{self, SavedRow};
use crate::evaluate::table::Table;
use crate::evaluate::write_json;

/// What an evaluation depends on. If any part differs, the row is evaluated again.
pub struct Key(Value);

impl Key {
    /// The key of an evaluation of `items` pairs of each dataset.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn new(model: &Path, classifier: &Path, datasets: &[&Path], items: usize) -> Result<Self> {
        let sha256 = |path: &Path| -> Result<String> {
            Ok(sha256_hex(&std::fs::read(path).with_context(|| path.display().to_string())?))
        };
        let datasets: Vec<String> = datasets
            .iter()
            .map(|folder| sha256(&folder.join(DESCRIPTION_FILE)))
            .collect::<Result<_>>()?;
        let (model, classifier) = (sha256(model)?, sha256(classifier)?);
        Ok(Self(json!({
            "model": model,
            "classifier": classifier,
            "datasets": datasets,
            "items": items,
            "steps": super::STEPS,
        })))
    }
}

/// The evaluation on one set of pairs.
pub struct Set {
    /// Title of the set.
    pub title: String,
    rows: Vec<SavedRow>,
}

impl Set {
    /// The row with this name.
    ///
    /// # Errors
    /// If it does not exist.
    pub fn row(&self, name: &str) -> Result<&SavedRow> {
        let row = self.rows.iter().find(|row| row.name == name);
        row.with_context(|| format!("{}: expected a row `{name}`, found none", self.title))
    }
}

/// Reads the saved evaluation; `None` if there is none with this key.
///
/// # Errors
/// If its rows are invalid.
pub fn read(file: &Path, key: &Key) -> Result<Option<Vec<Set>>> {
    let Ok(text) = std::fs::read_to_string(file) else { return Ok(None) };
    let Ok(value) = serde_json::from_str::<Value>(&text) else { return Ok(None) };
    if value.get("key") != Some(&key.0) {
        return Ok(None);
    }
    let plain = |title: String| title.strip_suffix(": images").map(String::from).unwrap_or(title);
    let tables = compare::tables(file)?.into_iter();
    Ok(Some(tables.map(|(title, rows)| Set { title: plain(title), rows }).collect()))
}

/// Writes the tables of an evaluation with their titles.
///
/// # Errors
/// If the file cannot be written.
pub fn write(file: &Path, key: &Key, tables: &[(&str, Table)]) -> Result<()> {
    let set = |(title, table): &(&str, Table)| json!({ "title": title, "images": table.json() });
    let sets: Vec<Value> = tables.iter().map(set).collect();
    Ok(write_json(file, &json!({ "key": key.0, "sets": sets }))?)
}
