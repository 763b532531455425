//! The file that lists the rows of an ablation.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// One training run.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AblationRow {
    /// Name of the run folder.
    pub folder: String,
    /// Title in the table.
    pub title: String,
    /// Overrides of the config that all rows share, `key=value`.
    #[serde(default)]
    pub changes: Vec<String>,
    /// Overrides of the autoencoder's config, `key=value`. Rows without any share one autoencoder.
    #[serde(default)]
    pub autoencoder: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    row: Vec<AblationRow>,
}

/// Reads the rows of a file.
///
/// # Errors
/// If the file cannot be read, has no row, or two rows share a folder.
pub fn read(path: &Path) -> Result<Vec<AblationRow>> {
    let name = || format!("rows {}", path.display());
    let text = std::fs::read_to_string(path).with_context(name)?;
    let file: File = toml::from_str(&text).with_context(name)?;
    ensure!(!file.row.is_empty(), "{}: expected at least one [[row]], found none", name());
    let mut seen = BTreeSet::new();
    for AblationRow { folder, .. } in &file.row {
        let plain =
            !folder.is_empty() && folder.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        ensure!(
            plain,
            "{}: folder: expected letters, digits and hyphens, found `{folder}`",
            name()
        );
        ensure!(
            seen.insert(folder),
            "{}: folder: expected unique names, found `{folder}` again",
            name()
        );
    }
    Ok(file.row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RunConfig;

    fn read_text(text: &str) -> Result<Vec<AblationRow>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.toml");
        std::fs::write(&path, text).unwrap();
        read(&path)
    }

    #[test]
    fn the_shipped_rows_change_fields_that_exist() {
        let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs");
        let rows = read(&configs.join("ablation.toml")).unwrap();
        assert!(rows.len() > 8 && rows[0].changes.is_empty(), "the first is the recipe itself");
        assert!(rows[0].autoencoder.is_empty());
        let changed = |config: &str, changes: &[String]| {
            let load = |changes| RunConfig::load(Some(&configs.join(config)), changes).unwrap();
            load(changes) != load(&[])
        };
        for row in &rows[1..] {
            let both = [("ldm.toml", &row.changes), ("autoencoder.toml", &row.autoencoder)];
            for (config, changes) in both {
                assert_eq!(
                    changed(config, changes),
                    !changes.is_empty(),
                    "{}: {config}",
                    row.folder
                );
            }
            assert!(
                both.iter().any(|(_, changes)| !changes.is_empty()),
                "{}: changes something",
                row.folder
            );
        }
    }

    #[test]
    fn rows_that_would_overwrite_each_other_are_refused() {
        let row = |folder: &str| format!("[[row]]\nfolder = \"{folder}\"\ntitle = \"t\"\n");
        assert_eq!(read_text(&(row("a") + &row("b"))).unwrap().len(), 2);
        for (text, word) in [
            (row("a") + &row("a"), "again"),
            (row("../a"), "hyphens"),
            (row(""), "hyphens"),
            ("row = []".into(), "at least one"),
            (row("a") + "chages = []\n", "chages"),
        ] {
            let message = format!("{:#}", read_text(&text).unwrap_err());
            assert!(message.contains(word), "{message}");
        }
    }
}
