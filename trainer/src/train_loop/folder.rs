//! The run folder: `config.toml`, `log.jsonl`, `last.safetensors`, `best.safetensors`,
//! `state.safetensors`, pictures.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use engine::whole_file;
use serde_json::Value;

use super::shards;
use crate::config::RunConfig;

/// The folder of one run.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The run folder at a path, which need not exist.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_path_buf() }
    }

    /// Creates a run folder.
    ///
    /// # Errors
    /// If it already has a run, or the model file of one, which would be overwritten.
    pub fn create(path: &Path) -> Result<Self> {
        let folder = Self::new(path);
        anyhow::ensure!(
            !folder.holds_a_run(),
            "{}: expected a new run folder, found a run (add --resume to continue it)",
            path.display()
        );
        if let Some(kept) = [folder.last(), folder.best()].into_iter().find(|kept| kept.exists()) {
            anyhow::bail!(
                "{}: expected a new run folder, found {} of an incomplete run",
                path.display(),
                kept.display()
            );
        }
        std::fs::create_dir_all(path).with_context(|| format!("run folder {}", path.display()))?;
        std::fs::write(folder.log(), "")
            .with_context(|| format!("run folder {}", path.display()))?;
        Ok(folder)
    }

    /// Opens the folder of a stopped run.
    ///
    /// # Errors
    /// If it has no run.
    pub fn open(path: &Path) -> Result<Self> {
        let folder = Self::new(path);
        anyhow::ensure!(
            folder.holds_a_run(),
            "{}: expected a run to resume, found neither state.safetensors nor shards",
            path.display()
        );
        Ok(folder)
    }

    /// Whether it has a run to resume.
    pub fn holds_a_run(&self) -> bool {
        self.state().exists() || self.shards().exists()
    }

    /// Path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Path of the run config.
    pub fn config(&self) -> PathBuf {
        self.path.join("config.toml")
    }

    /// Path of the log: one JSON object per line.
    pub fn log(&self) -> PathBuf {
        self.path.join("log.jsonl")
    }

    /// Path of the model file with the averaged weights of the last checkpoint.
    pub fn last(&self) -> PathBuf {
        self.path.join("last.safetensors")
    }

    /// Path of the model file with the averaged weights of the best validation.
    pub fn best(&self) -> PathBuf {
        self.path.join("best.safetensors")
    }

    /// Path of the state for a resumed run.
    pub fn state(&self) -> PathBuf {
        self.path.join("state.safetensors")
    }

    /// Path of the folder with the state in small files, if the run writes them.
    pub fn shards(&self) -> PathBuf {
        self.path.join("shards")
    }

    /// Path of the config of a stopped run, which may only exist in the shards.
    pub fn stopped_config(&self) -> PathBuf {
        let own = self.config();
        if own.exists() { own } else { shards::config(&self.shards()) }
    }

    /// Writes `config.toml`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_config(&self, config: &RunConfig) -> Result<()> {
        Ok(whole_file::write(self.config(), config.to_toml()?.as_bytes())?)
    }

    /// Appends one line to the log.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn append(&self, line: &Value) -> Result<()> {
        let path = self.log();
        let context = || format!("log {}", path.display());
        let mut file =
            OpenOptions::new().create(true).append(true).open(&path).with_context(context)?;
        writeln!(file, "{line}").with_context(context)
    }

    /// The lines of the log. A line that is not JSON, after a crash, is skipped.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn lines(&self) -> Result<Vec<Value>> {
        let path = self.log();
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("log {}", path.display()))?;
        Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }

    /// Removes the lines after `step`, which a resumed run will write again.
    ///
    /// # Errors
    /// If the log cannot be read or written.
    pub fn rewind(&self, step: u64) -> Result<()> {
        if !self.log().exists() {
            return Ok(());
        }
        let kept = self
            .lines()?
            .into_iter()
            .filter(|line| line["step"].as_u64().is_some_and(|s| s <= step));
        let text: String = kept.map(|line| format!("{line}\n")).collect();
        Ok(whole_file::write(self.log(), text.as_bytes())?)
    }
}
