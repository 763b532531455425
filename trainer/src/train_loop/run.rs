//! The state of a training run.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use engine::checkpoint::{Precision, sha256_hex};
use serde_json::{Value, json};

use super::console::Console;
use super::curves;
use super::folder::Folder;
use super::means::Means;
use super::options::Options;
use super::shards::{self, RunInputs};
use super::state::{self, Progress};
use super::stop::Stop;
use super::summary::Summary;
use super::task::{Record, Task};
use crate::config::{DiffusionTraining, RunConfig};
use crate::data::dataset::description::DESCRIPTION_FILE;
use crate::optim::{self, Ema, Optimizer, Parameters, Schedule};

/// Consecutive steps without a finite gradient after which a run stops.
const MAX_SKIPPED: u64 = 20;

/// A run in progress.
pub struct Run<'a> {
    config: &'a RunConfig,
    folder: Folder,
    parameters: Parameters,
    optimiser: Optimizer,
    schedule: Schedule,
    ema: Ema,
    progress: Progress,
    console: Console,
    means: Means,
    skipped: u64,
    /// Start of this process's part of the run, and the seconds before it.
    session: (Instant, f64),
}

impl<'a> Run<'a> {
    /// Creates a run, or loads it from its folder.
    ///
    /// # Errors
    /// If the folder already has a run, or the run to resume does not match config and task.
    pub fn start(task: &dyn Task, config: &'a RunConfig, options: &Options) -> Result<Self> {
        let folder = if options.resume {
            Folder::open(&options.out)?
        } else {
            Folder::create(&options.out)?
        };
        let parameters = optim::sorted(task.parameters())?;
        anyhow::ensure!(
            !parameters.is_empty(),
            "{}: expected variables to train, found none",
            task.name()
        );
        let mut optimiser = Optimizer::new(&parameters, config.optimiser.clone())?
            .with_products(config.bf16_products());
        let mut ema = Ema::new(&parameters, config.ema_decay)?;
        let mut schedule = Schedule::new(config.schedule.clone(), config.steps);
        let frozen = frozen_sha256(task)?;
        let data = data_sha256(config);
        let mut progress = Progress {
            task: task.name().to_string(),
            frozen: frozen.clone(),
            data: data.clone(),
            step: 0,
            optimiser_steps: 0,
            seconds: 0.0,
            plateau: schedule.state().clone(),
            best: None,
            metrics: Value::Null,
        };
        if options.resume {
            progress = if folder.state().exists() {
                state::load(&folder.state(), task.name(), &parameters, &mut optimiser, &mut ema)?
            } else {
                shards::load(&folder.shards(), task.name(), &parameters, &mut ema)?
            };
            anyhow::ensure!(
                progress.frozen.is_none() || progress.frozen == frozen,
                "init: expected the model of the original run, found another one"
            );
            anyhow::ensure!(
                progress.data.is_none() || progress.data == data,
                "data: expected the dataset of the original run, found another one or an extended \
                 one; start a new run with --init {}",
                folder.last().display()
            );
            (progress.frozen, progress.data) = (frozen, data);
            schedule.restore(progress.plateau.clone());
            folder.rewind(progress.step)?;
        }
        folder.write_config(config)?;
        let console = Console::new(progress.step, config.steps, options.quiet);
        let session = (Instant::now(), progress.seconds);
        let means = Means::default();
        Ok(Self {
            config,
            folder,
            parameters,
            optimiser,
            schedule,
            ema,
            progress,
            console,
            means,
            skipped: 0,
            session,
        })
    }

    /// Number of finished steps.
    pub fn done(&self) -> u64 {
        self.progress.step
    }

    /// Runs one training step.
    ///
    /// # Errors
    /// If a tensor operation fails, or the gradient was not finite for [`MAX_SKIPPED`] steps.
    pub fn step(&mut self, task: &mut dyn Task) -> Result<()> {
        let step = self.progress.step;
        let losses = task.step(step).with_context(|| format!("step {step}"))?;
        let total = losses.total().with_context(|| {
            format!("{}: expected a loss weight above 0, found none", task.name())
        })?;
        let gradients = total.backward().with_context(|| format!("step {step}, backward"))?;
        let report = self.optimiser.step(&gradients, self.schedule.learning_rate(step))?;
        self.skipped = if report.applied { 0 } else { self.skipped + 1 };
        anyhow::ensure!(
            self.skipped < MAX_SKIPPED,
            "training diverged: the gradient was not finite in the {MAX_SKIPPED} steps up to step \
             {step}; try a lower schedule.learning_rate"
        );
        self.ema.update(step)?;
        self.means.add(&losses, &report)?;
        self.progress.step += 1;
        self.progress.seconds = self.session.1 + self.session.0.elapsed().as_secs_f64();
        self.console.tick();
        Ok(())
    }

    /// Writes a line of the log and updates the console.
    ///
    /// # Errors
    /// If the log cannot be written.
    pub fn log(&mut self, stop: &Stop) -> Result<()> {
        let step = self.progress.step;
        let mut line = self.means.take();
        let rate = line["steps_per_second"].as_f64().unwrap_or(0.0);
        line["step"] = json!(step);
        line["learning_rate"] = json!(self.schedule.learning_rate(step - 1));
        line["seconds"] = json!(self.progress.seconds);
        self.folder.append(&line)?;
        let by_steps = (self.config.steps - step) as f64 / rate.max(1e-9);
        let left = stop.seconds_left().map_or(by_steps, |seconds| seconds.min(by_steps));
        self.console.status(
            step,
            &format!("loss {:.5}, {rate:.2} steps/s", line["loss"].as_f64().unwrap_or(f64::NAN)),
            left,
        );
        Ok(())
    }

    /// Validates, draws panels and exports with the averaged weights.
    ///
    /// # Errors
    /// If one of these fails.
    pub fn averaged(
        &mut self,
        task: &mut dyn Task,
        validate: bool,
        panels: bool,
        save: bool,
    ) -> Result<()> {
        self.ema.swap()?;
        let result = self.with_average(task, validate, panels, save);
        self.ema.swap()?;
        self.means.restart_clock();
        result
    }

    fn with_average(
        &mut self,
        task: &mut dyn Task,
        validate: bool,
        panels: bool,
        save: bool,
    ) -> Result<()> {
        if validate {
            self.validate(task)?;
        }
        if panels {
            if let Some(panels) = task.panels().context("panels")? {
                panels.draw(
                    &self.folder.path().join(format!("panels-{:06}.png", self.progress.step)),
                )?;
            }
            curves::draw_curves(&self.folder)?;
        }
        if save {
            task.export(&self.folder.last(), &self.record(task)).context("checkpoint")?;
        }
        Ok(())
    }

    fn validate(&mut self, task: &mut dyn Task) -> Result<()> {
        let metrics = task.validate().context("validation")?;
        self.schedule.observe(metrics.monitor);
        self.progress.plateau = self.schedule.state().clone();
        self.progress.metrics = json!(metrics.values);
        self.folder.append(&json!({
            "step": self.progress.step,
            "seconds": self.progress.seconds,
            "monitor": metrics.monitor,
            "validation": metrics.values,
        }))?;
        let text: Vec<String> =
            metrics.values.iter().map(|(name, value)| format!("{name} {value:.5}")).collect();
        self.console.line(&format!("step {}: {}", self.progress.step, text.join(", ")));
        if metrics.monitor.is_finite()
            && self.progress.best.is_none_or(|best| metrics.monitor < best)
        {
            self.progress.best = Some(metrics.monitor);
            task.export(&self.folder.best(), &self.record(task)).context("best checkpoint")?;
        }
        Ok(())
    }

    /// Saves the state for a resumed run.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn save_state(&mut self, task: &dyn Task) -> Result<()> {
        self.progress.optimiser_steps = self.optimiser.steps();
        state::save(
            &self.folder.state(),
            &self.progress,
            &self.parameters,
            &self.optimiser,
            &self.ema,
        )?;
        if self.config.shards {
            let inputs = RunInputs { config: self.config, frozen: task.frozen() };
            shards::save(
                &self.folder.shards(),
                &self.progress,
                &self.parameters,
                &self.ema,
                &inputs,
            )?;
        }
        Ok(())
    }

    /// Prints the reason of an early stop and returns the summary.
    pub fn finish(self, stopped: Option<&'static str>) -> Summary {
        if let Some(reason) = stopped {
            self.console.line(&format!("stopped after step {}: {reason}", self.progress.step));
        }
        Summary { step: self.progress.step, stopped, metrics: self.progress.metrics }
    }

    fn record(&self, task: &dyn Task) -> Record {
        let provenance = json!({
            "task": task.name(),
            "steps": self.progress.step,
            "seconds": self.progress.seconds.round(),
            "trainer": env!("CARGO_PKG_VERSION"),
            "run": training_config(self.config),
        });
        Record { provenance, metrics: self.progress.metrics.clone() }
    }
}

/// The hash of a task's frozen model, in the precision of its shards.
fn frozen_sha256(task: &dyn Task) -> Result<Option<String>> {
    let bytes = task.frozen().map(|frozen| frozen.to_bytes(Precision::F16)).transpose()?;
    Ok(bytes.map(|bytes| sha256_hex(&bytes)))
}

/// The hash of the descriptions of the run's datasets; `None` without datasets.
fn data_sha256(config: &RunConfig) -> Option<String> {
    let folders = std::iter::once(&config.data).chain(&config.diffusion.extra_datasets);
    let texts = folders.map(|folder| std::fs::read(Path::new(folder).join(DESCRIPTION_FILE)));
    let texts: Vec<Vec<u8>> = texts.collect::<std::io::Result<_>>().ok()?;
    let hashes: String = texts.iter().map(|text| sha256_hex(text)).collect();
    Some(sha256_hex(hashes.as_bytes()))
}

/// The run config for the model file. It has no section `model`, which is in the file already. File
/// names replace paths, which are private.
fn training_config(config: &RunConfig) -> Value {
    let name =
        |path: &str| Path::new(path).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let names = |paths: &[String]| paths.iter().map(|path| name(path)).collect();
    let config = RunConfig {
        data: name(&config.data),
        init: name(&config.init),
        feature_network: name(&config.feature_network),
        diffusion: DiffusionTraining {
            extra_datasets: names(&config.diffusion.extra_datasets),
            ..config.diffusion
        },
        ..config.clone()
    };
    let mut value = serde_json::to_value(config).unwrap_or(Value::Null);
    if let Some(fields) = value.as_object_mut() {
        fields.remove("model");
    }
    value
}
