//! A training run: steps, validation, log, checkpoints, exact resume.
//!
//! Everything random in step `n` comes from a generator keyed by (seed, n). So a run that is
//! stopped and resumed makes the same weights, bit for bit on one device, as one that never
//! stopped.

pub mod console;
pub mod folder;
pub mod shards;
pub mod state;
pub mod stop;
pub mod task;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use engine::checkpoint::{Precision, sha256_hex};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::config::{DiffusionTraining, OnlineRenderingConfig, RunConfig};
use crate::data::description::DESCRIPTION_FILE;
use crate::losses::Losses;
use crate::optim::adamw::StepReport;
use crate::optim::{self, AdamW, Ema, Parameters, Schedule};
use crate::report;
use console::Console;
use folder::Folder;
use shards::Luggage;
use state::Progress;
use stop::Stop;
pub use task::{Metrics, Record, Task};

/// Steps in a row without a finite gradient after which a run gives up.
const MAX_SKIPPED: u64 = 20;

/// How a run is run, beside what it does.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The run folder.
    pub out: PathBuf,
    /// Go on with the run in the folder.
    pub resume: bool,
    /// Stop after so many minutes of this session.
    pub minutes: Option<f64>,
    /// Say nothing on the console.
    pub quiet: bool,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Steps made in all.
    pub step: u64,
    /// Why it stopped before its last step, if it did.
    pub stopped: Option<&'static str>,
    /// What the last validation found.
    pub metrics: Value,
}

/// The generator of one step of a run's seed.
pub fn step_rng(seed: u64, step: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(step);
    rng
}

/// Trains `task` until its last step or a reason to stop.
pub fn train(task: &mut dyn Task, config: &RunConfig, options: &Options) -> Result<Summary> {
    let mut run = Run::start(task, config, options)?;
    let stop = Stop::new(&options.out, options.minutes);
    let mut stopped = None;
    while run.progress.step < config.steps {
        run.step(task)?;
        let done = run.progress.step;
        let last = done == config.steps;
        let due = |every: u64| every > 0 && (done % every == 0 || last);
        stopped = if last { None } else { stop.reason() };
        if due(config.every.log) {
            run.log(&stop)?;
        }
        let (validate, panels) = (due(config.every.validate), due(config.every.panels));
        let save = due(config.every.checkpoint) || last || stopped.is_some();
        if validate || panels || save {
            run.averaged(task, validate, panels, save)?;
        }
        if save {
            run.save_state(task)?;
        }
        if stopped.is_some() {
            break;
        }
    }
    if let Some(reason) = stopped {
        run.console.line(&format!("stopped after step {}: {reason}", run.progress.step));
    }
    Ok(Summary { step: run.progress.step, stopped, metrics: run.progress.metrics })
}

/// A run under way.
struct Run<'a> {
    config: &'a RunConfig,
    folder: Folder,
    parameters: Parameters,
    optimiser: AdamW,
    schedule: Schedule,
    ema: Ema,
    progress: Progress,
    console: Console,
    means: Means,
    skipped: u64,
    /// When this session started, and the seconds of those before.
    session: (Instant, f64),
}

impl<'a> Run<'a> {
    fn start(task: &dyn Task, config: &'a RunConfig, options: &Options) -> Result<Self> {
        let folder = if options.resume {
            Folder::open(&options.out)?
        } else {
            Folder::create(&options.out)?
        };
        let parameters = optim::sorted(task.parameters())?;
        anyhow::ensure!(!parameters.is_empty(), "{}: nothing to train", task.name());
        let mut optimiser = AdamW::new(&parameters, config.optimiser.clone())?
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
                "init: expected the model that the run began with, found another one"
            );
            anyhow::ensure!(
                progress.data.is_none() || progress.data == data,
                "data: expected the dataset that the run began with, found another one or what has been added to it; \
                 begin a new run with --init {}",
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

    fn step(&mut self, task: &mut dyn Task) -> Result<()> {
        let step = self.progress.step;
        let losses = task.step(step).with_context(|| format!("step {step}"))?;
        let total =
            losses.total().with_context(|| format!("{}: every loss weight is 0", task.name()))?;
        let gradients = total.backward().with_context(|| format!("step {step}, backward"))?;
        let report = self.optimiser.step(&gradients, self.schedule.learning_rate(step))?;
        self.skipped = if report.applied { 0 } else { self.skipped + 1 };
        anyhow::ensure!(
            self.skipped < MAX_SKIPPED,
            "training diverged: the gradient was not finite for {MAX_SKIPPED} steps up to step {step}; \
             try a lower schedule.learning_rate"
        );
        self.ema.update(step)?;
        self.means.add(&losses, &report)?;
        self.progress.step += 1;
        self.progress.seconds = self.session.1 + self.session.0.elapsed().as_secs_f64();
        self.console.tick();
        Ok(())
    }

    fn log(&mut self, stop: &Stop) -> Result<()> {
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

    /// What is done with the averaged weights in place of the trained ones.
    fn averaged(
        &mut self,
        task: &mut dyn Task,
        validate: bool,
        panels: bool,
        save: bool,
    ) -> Result<()> {
        self.ema.swap()?;
        let done = self.with_average(task, validate, panels, save);
        self.ema.swap()?;
        self.means.restart_clock();
        done
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
            report::draw_curves(&self.folder)?;
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

    fn save_state(&mut self, task: &dyn Task) -> Result<()> {
        self.progress.optimiser_steps = self.optimiser.steps();
        state::save(
            &self.folder.state(),
            &self.progress,
            &self.parameters,
            &self.optimiser,
            &self.ema,
        )?;
        if self.config.shards {
            let luggage = Luggage { config: self.config, frozen: task.frozen() };
            shards::save(
                &self.folder.shards(),
                &self.progress,
                &self.parameters,
                &self.ema,
                &luggage,
            )?;
        }
        Ok(())
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

/// The hash of what a task stands on, as its shards would carry it.
fn frozen_sha256(task: &dyn Task) -> Result<Option<String>> {
    let bytes = task.frozen().map(|frozen| frozen.to_bytes(Precision::F16)).transpose()?;
    Ok(bytes.map(|bytes| sha256_hex(&bytes)))
}

/// The hash of what the run's datasets say of themselves; none where there are none.
fn data_sha256(config: &RunConfig) -> Option<String> {
    let folders = std::iter::once(&config.data).chain(&config.diffusion.extra_datasets);
    let texts = folders.map(|folder| std::fs::read(Path::new(folder).join(DESCRIPTION_FILE)));
    let texts: Vec<Vec<u8>> = texts.collect::<std::io::Result<_>>().ok()?;
    let hashes: String = texts.iter().map(|text| sha256_hex(text)).collect();
    Some(sha256_hex(hashes.as_bytes()))
}

/// The run config without the model's part, which the file carries anyway, and with names in place
/// of paths: where things lie on the maker's disk is nobody's business.
fn training_config(config: &RunConfig) -> Value {
    let name =
        |path: &str| Path::new(path).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let names = |paths: &[String]| paths.iter().map(|path| name(path)).collect();
    let config = RunConfig {
        data: name(&config.data),
        init: name(&config.init),
        feature_network: name(&config.feature_network),
        online_rendering: OnlineRenderingConfig {
            soundfonts: names(&config.online_rendering.soundfonts),
            ..config.online_rendering
        },
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

/// Means since the last line of the log.
struct Means {
    steps: u64,
    total: f64,
    gradient_norm: f64,
    skipped: u64,
    terms: BTreeMap<&'static str, (f64, u64)>,
    /// Seconds of steps alone, and when the clock last started.
    clock: (f64, Instant),
}

impl Default for Means {
    fn default() -> Self {
        let clock = (0.0, Instant::now());
        Self { steps: 0, total: 0.0, gradient_norm: 0.0, skipped: 0, terms: BTreeMap::new(), clock }
    }
}

impl Means {
    fn add(&mut self, losses: &Losses, report: &StepReport) -> Result<()> {
        let scalar = |tensor: &candle_core::Tensor| tensor.to_scalar::<f32>().map(f64::from);
        self.total += losses.total().map_or(Ok(0.0), scalar)?;
        for (name, term) in losses.terms() {
            let (sum, count) = self.terms.entry(name).or_default();
            *sum += scalar(term)?;
            *count += 1;
        }
        self.gradient_norm += report.gradient_norm;
        self.skipped += u64::from(!report.applied);
        self.steps += 1;
        self.clock.0 += self.clock.1.elapsed().as_secs_f64();
        self.restart_clock();
        Ok(())
    }

    /// Leaves out what happened since the last step.
    fn restart_clock(&mut self) {
        self.clock.1 = Instant::now();
    }

    fn take(&mut self) -> Value {
        let means = std::mem::take(self);
        let steps = means.steps.max(1) as f64;
        let terms: BTreeMap<_, _> =
            means.terms.iter().map(|(name, (sum, count))| (*name, sum / *count as f64)).collect();
        json!({
            "loss": means.total / steps,
            "terms": terms,
            "gradient_norm": means.gradient_norm / steps,
            "skipped": means.skipped,
            "steps_per_second": steps / means.clock.0.max(1e-9),
        })
    }
}
