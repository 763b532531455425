//! A run's folder: `config.toml`, `log.jsonl`, `last.safetensors`, `best.safetensors`,
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
    /// A run's folder, there or not.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_path_buf() }
    }

    /// A new run's folder. One that already holds a run, or what is left of one, is refused: it
    /// would be lost.
    pub fn create(path: &Path) -> Result<Self> {
        let folder = Self::new(path);
        anyhow::ensure!(
            !folder.holds_a_run(),
            "{}: expected a new run folder, found a run (add --resume to go on with it)",
            path.display()
        );
        if let Some(kept) = [folder.last(), folder.best()].into_iter().find(|kept| kept.exists()) {
            anyhow::bail!(
                "{}: expected a new run folder, found the {} of a run that was not kept whole",
                path.display(),
                kept.display()
            );
        }
        std::fs::create_dir_all(path).with_context(|| format!("run folder {}", path.display()))?;
        std::fs::write(folder.log(), "")
            .with_context(|| format!("run folder {}", path.display()))?;
        Ok(folder)
    }

    /// A folder in which a run was stopped.
    pub fn open(path: &Path) -> Result<Self> {
        let folder = Self::new(path);
        anyhow::ensure!(
            folder.holds_a_run(),
            "{}: expected a run to resume, found neither state.safetensors nor shards",
            path.display()
        );
        Ok(folder)
    }

    /// Whether there is a run to go on with.
    pub fn holds_a_run(&self) -> bool {
        self.state().exists() || self.shards().exists()
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The whole run config.
    pub fn config(&self) -> PathBuf {
        self.path.join("config.toml")
    }

    /// One JSON object a line.
    pub fn log(&self) -> PathBuf {
        self.path.join("log.jsonl")
    }

    /// The averaged weights after the last checkpointed step, as a model file.
    pub fn last(&self) -> PathBuf {
        self.path.join("last.safetensors")
    }

    /// The averaged weights of the best validation, as a model file.
    pub fn best(&self) -> PathBuf {
        self.path.join("best.safetensors")
    }

    /// Everything that a resumed run needs.
    pub fn state(&self) -> PathBuf {
        self.path.join("state.safetensors")
    }

    /// The same in small files, where the run keeps them.
    pub fn shards(&self) -> PathBuf {
        self.path.join("shards")
    }

    /// The config of a stopped run, which may have come here in shards alone.
    pub fn stopped_config(&self) -> PathBuf {
        let own = self.config();
        if own.exists() { own } else { shards::config(&self.shards()) }
    }

    /// Writes `config.toml`.
    pub fn write_config(&self, config: &RunConfig) -> Result<()> {
        Ok(whole_file::write(self.config(), config.to_toml()?.as_bytes())?)
    }

    /// Appends one line to the log.
    pub fn append(&self, line: &Value) -> Result<()> {
        let path = self.log();
        let context = || format!("log {}", path.display());
        let mut file =
            OpenOptions::new().create(true).append(true).open(&path).with_context(context)?;
        writeln!(file, "{line}").with_context(context)
    }

    /// The log's lines; one that is not JSON (a crash while writing) is skipped.
    pub fn lines(&self) -> Result<Vec<Value>> {
        let path = self.log();
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("log {}", path.display()))?;
        Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }

    /// Takes back what was logged after `step`: a resumed run will say it again.
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
