//! Properties of the training loop, on a task that trains in milliseconds.

use std::path::Path;

use anyhow::Result;
use candle_core::{Device, Tensor, Var};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use trainer::config::RunConfig;
use trainer::losses::{Losses, mse};
use trainer::optim::Parameters;
use trainer::plot::ImageTable;
use trainer::train_loop::folder::Folder;
use trainer::train_loop::{self, Metrics, Options, Record, Task};

/// Fits `y = 3 a - 2 b + 1` to random examples.
struct Line {
    weight: Var,
    bias: Var,
}

impl Line {
    fn new() -> Self {
        let weight = Var::new(&[[0.1f32], [-0.1]], &Device::Cpu).unwrap();
        Self { weight, bias: Var::new(&[0.0f32], &Device::Cpu).unwrap() }
    }

    fn predict(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.matmul(self.weight.as_tensor())?.broadcast_add(self.bias.as_tensor())?)
    }

    fn example(rng: &mut ChaCha8Rng) -> Result<(Tensor, Tensor)> {
        let x: Vec<f32> = (0..16).map(|_| rng.random_range(-1.0..1.0)).collect();
        let y: Vec<f32> = x.chunks(2).map(|x| 3.0 * x[0] - 2.0 * x[1] + 1.0).collect();
        Ok((Tensor::from_vec(x, (8, 2), &Device::Cpu)?, Tensor::from_vec(y, (8, 1), &Device::Cpu)?))
    }

    fn values(&self) -> Vec<f32> {
        let mut values = self.weight.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        values.extend(self.bias.to_vec1::<f32>().unwrap());
        values
    }
}

impl Task for Line {
    fn name(&self) -> &'static str {
        "line"
    }

    fn parameters(&self) -> Parameters {
        vec![("weight".into(), self.weight.clone()), ("bias".into(), self.bias.clone())]
    }

    fn step(&mut self, step: u64) -> Result<Losses> {
        let (x, y) = Self::example(&mut train_loop::step_rng(1, step))?;
        let mut losses = Losses::default();
        losses.add("mse", 1.0, || Ok(mse::mse(&self.predict(&x)?, &y)?))?;
        Ok(losses)
    }

    fn validate(&mut self) -> Result<Metrics> {
        let (x, y) = Self::example(&mut train_loop::step_rng(99, 0))?;
        let error = f64::from(mse::mse(&self.predict(&x)?, &y)?.to_scalar::<f32>()?);
        Ok(Metrics { monitor: error, values: [("mse".to_string(), error)].into() })
    }

    fn panels(&mut self) -> Result<Option<ImageTable>> {
        Ok(None)
    }

    fn export(&mut self, path: &Path, record: &Record) -> Result<()> {
        let text = format!("{:?}\n{}", self.values(), record.provenance["steps"]);
        Ok(engine::whole_file::write(path, text)?)
    }
}

fn config(steps: u64) -> RunConfig {
    let mut config = RunConfig { steps, ema_decay: 0.9, ..RunConfig::default() };
    config.schedule.learning_rate = 0.05;
    config.schedule.rule = trainer::optim::schedule::Rule::Plateau;
    config.schedule.plateau.patience = 1;
    config.schedule.warmup_steps = 5;
    config.every =
        trainer::config::Intervals { log: 10, validate: 10, checkpoint: 50, panels: 100 };
    config
}

fn options(out: &Path, resume: bool) -> Options {
    Options { out: out.to_path_buf(), resume, minutes: None, quiet: true }
}

#[test]
fn a_run_learns_and_writes_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mut task = Line::new();
    let summary =
        train_loop::train(&mut task, &config(300), &options(folder.path(), false)).unwrap();
    assert_eq!((summary.step, summary.stopped), (300, None));
    assert!(summary.metrics["mse"].as_f64().unwrap() < 1e-3, "{}", summary.metrics);
    for file in [
        "config.toml",
        "log.jsonl",
        "last.safetensors",
        "best.safetensors",
        "state.safetensors",
        "curves.png",
    ] {
        assert!(folder.path().join(file).is_file(), "{file}");
    }
    let lines = Folder::new(folder.path()).lines().unwrap();
    let training: Vec<_> = lines.iter().filter(|line| line["loss"].is_number()).collect();
    assert_eq!(training.len(), 30);
    for field in ["learning_rate", "gradient_norm", "seconds", "steps_per_second"] {
        assert!(training.iter().all(|line| line[field].is_number()), "{field}");
    }
    assert!(training.iter().all(|line| line["terms"]["mse"].is_number()), "every term is logged");
}

#[test]
fn a_resumed_run_is_equal_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let (complete, halves) = (folder.path().join("complete"), folder.path().join("halves"));
    let mut uninterrupted = Line::new();
    train_loop::train(&mut uninterrupted, &config(120), &options(&complete, false)).unwrap();

    // The run is stopped by a file after its first step, and then resumed in a new task.
    std::fs::create_dir_all(&halves).unwrap();
    std::fs::write(halves.join("stop"), "").unwrap();
    let stopped =
        train_loop::train(&mut Line::new(), &config(120), &options(&halves, false)).unwrap();
    assert_eq!((stopped.step, stopped.stopped), (1, Some("stop file")));
    let mut resumed = Line::new();
    let mut options = options(&halves, true);
    options.minutes = Some(1e-6);
    let stopped = train_loop::train(&mut resumed, &config(120), &options).unwrap();
    assert_eq!((stopped.step, stopped.stopped), (2, Some("time is up")));
    let mut resumed = Line::new();
    options.minutes = None;
    train_loop::train(&mut resumed, &config(120), &options).unwrap();

    assert_eq!(uninterrupted.values(), resumed.values());
    let read = |run: &Path, file: &str| std::fs::read_to_string(run.join(file)).unwrap();
    for file in ["last.safetensors", "best.safetensors"] {
        assert_eq!(
            read(&complete, file),
            read(&halves, file),
            "{file}: the averaged weights are equal"
        );
    }
    let rates = |run: &Path| {
        let lines = Folder::new(run).lines().unwrap();
        lines.iter().filter_map(|line| line["learning_rate"].as_f64()).collect::<Vec<_>>()
    };
    assert_eq!(rates(&complete), rates(&halves), "the learning rates are equal");
}

#[test]
fn a_run_resumes_from_its_shards() {
    let folder = tempfile::tempdir().unwrap();
    let run = |steps: u64, resume: bool| {
        let mut task = Line::new();
        let config = RunConfig { shards: true, ..config(steps) };
        train_loop::train(&mut task, &config, &options(folder.path(), resume)).unwrap();
        task.values()
    };
    let stopped = run(100, false);
    std::fs::remove_file(folder.path().join("state.safetensors")).unwrap();
    let same = run(100, true);
    for (a, b) in stopped.iter().zip(&same) {
        assert!((a - b).abs() < 1e-3 * a.abs().max(0.1), "f16 has three digits: {a}, {b}");
    }
    let resumed = run(300, true);
    for (value, truth) in resumed.iter().zip([3.0, -2.0, 1.0]) {
        assert!((value - truth).abs() < 0.05, "{resumed:?}");
    }
}

#[test]
fn a_run_is_not_overwritten_and_the_run_of_another_task_not_resumed() {
    let folder = tempfile::tempdir().unwrap();
    train_loop::train(&mut Line::new(), &config(2), &options(folder.path(), false)).unwrap();
    let again = train_loop::train(&mut Line::new(), &config(2), &options(folder.path(), false))
        .unwrap_err();
    assert!(again.to_string().contains("--resume"), "{again}");
    let other_folder = tempfile::tempdir().unwrap();
    std::fs::copy(
        folder.path().join("best.safetensors"),
        other_folder.path().join("best.safetensors"),
    )
    .unwrap();
    let refused =
        train_loop::train(&mut Line::new(), &config(2), &options(other_folder.path(), false))
            .unwrap_err();
    assert!(refused.to_string().contains("best.safetensors"), "{refused}");

    struct Other(Line);
    impl Task for Other {
        fn name(&self) -> &'static str {
            "other"
        }
        fn parameters(&self) -> Parameters {
            self.0.parameters()
        }
        fn step(&mut self, step: u64) -> Result<Losses> {
            self.0.step(step)
        }
        fn validate(&mut self) -> Result<Metrics> {
            self.0.validate()
        }
        fn panels(&mut self) -> Result<Option<ImageTable>> {
            self.0.panels()
        }
        fn export(&mut self, path: &Path, record: &Record) -> Result<()> {
            self.0.export(path, record)
        }
    }
    let other =
        train_loop::train(&mut Other(Line::new()), &config(4), &options(folder.path(), true))
            .unwrap_err();
    assert!(format!("{other:#}").contains("`other`"), "{other:#}");
}
