//! Measures PyTorch and ONNX Runtime with `tests/bench/frameworks.py`.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};
use engine::models::model::Model;
use engine::nn::packed::Packed;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Args;
use super::stage::{Stage, StageInputs};
use crate::workspace;

/// Maximum difference between a framework's values and ours. Beyond it, the networks differ.
const TOLERANCE: f64 = 1e-3;
const SCRIPT: &str = "tests/bench/frameworks.py";
const REQUIREMENTS: &str = "tests/bench/requirements.txt";

/// The running script. Each request and each response is one line of JSON. The script ends when its
/// input is closed.
pub struct Frameworks {
    script: Child,
    frameworks: Vec<Framework>,
    requests: ChildStdin,
    responses: BufReader<ChildStdout>,
}

/// The first line of the script.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Startup {
    /// The message of the failed import.
    Missing(String),
    Frameworks(Vec<Framework>),
}

#[derive(Deserialize)]
struct Framework {
    name: String,
    /// Largest absolute difference from our values.
    furthest: f64,
}

impl Frameworks {
    /// Starts the script. If it cannot run, prints the reason and returns `None`.
    ///
    /// # Errors
    /// If the values of a framework differ from ours by more than the tolerance.
    pub fn open(
        args: &Args,
        file: &Path,
        model: &Model<Packed>,
        inputs: &StageInputs,
    ) -> Result<Option<Self>> {
        let skipped = |why: &str| println!("PyTorch and ONNX Runtime are skipped: {why}.\n");
        let Some(python) = &args.python else {
            skipped(&format!("--python is not set (it needs the packages of {REQUIREMENTS})"));
            return Ok(None);
        };
        // The script reads the file before it writes its first line, so the folder can be
        // temporary.
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("stages.safetensors");
        write(&path, input_tensors(inputs).iter().chain(&output_tensors(model, inputs)?))?;
        let mut script = start(args, python, file, &path)?;
        let requests = script.stdin.take().context("the script's input")?;
        let mut responses = BufReader::new(script.stdout.take().context("the script's output")?);
        let frameworks = match read(&mut responses)? {
            Startup::Frameworks(frameworks) => frameworks,
            Startup::Missing(what) => {
                let install = format!("`{} -m pip install -r {REQUIREMENTS}`", python.display());
                skipped(&format!("{what} ({install} installs the packages)"));
                return Ok(None);
            }
        };
        for Framework { name, furthest } in &frameworks {
            ensure!(
                *furthest <= TOLERANCE,
                "{name}: expected a difference of at most {TOLERANCE}, found {furthest}"
            );
            println!("{name} differs from the packed executor by at most {furthest:.1e}.\n");
        }
        Ok(Some(Self { script, frameworks, requests, responses }))
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.frameworks.iter().map(|framework| framework.name.as_str())
    }

    /// Median time of the sequence of stages, in ms, for each framework.
    pub fn medians_ms(&mut self, stages: &[Stage]) -> Result<Vec<f64>> {
        let names: Vec<&str> = stages.iter().map(|stage| stage.name()).collect();
        // Writing to a closed pipe would end this program without a message.
        let ended = self.script.try_wait().context(SCRIPT)?;
        ensure!(ended.is_none(), "{SCRIPT} ended early (see its message above)");
        writeln!(self.requests, "{}", serde_json::to_string(&names)?).context(SCRIPT)?;
        read(&mut self.responses)
    }

    /// Waits for the end of the script, so that it does not disturb the next measurements.
    pub fn close(mut self) -> Result<()> {
        drop(self.requests);
        self.script.wait().map(drop).context(SCRIPT)
    }
}

fn start(args: &Args, python: &Path, file: &Path, tensors: &Path) -> Result<Child> {
    let mut script = Command::new(python);
    script.arg(workspace::root().join(SCRIPT)).arg(file).arg(tensors);
    script.args([args.repeats, args.threads].map(|number| number.to_string()));
    script.stdin(Stdio::piped()).stdout(Stdio::piped());
    script.spawn().with_context(|| format!("{} could not be started", python.display()))
}

fn read<T: DeserializeOwned>(responses: &mut impl BufRead) -> Result<T> {
    let mut line = String::new();
    responses.read_line(&mut line)?;
    ensure!(!line.is_empty(), "{SCRIPT} failed (see its message above)");
    serde_json::from_str(&line)
        .with_context(|| format!("{SCRIPT}: unexpected response `{}`", line.trim()))
}

/// A tensor for a safetensors file.
struct NamedTensor {
    name: String,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl NamedTensor {
    fn new(name: String, shape: &[usize], data: &[f32]) -> Self {
        let bytes = data.iter().flat_map(|v| v.to_le_bytes()).collect();
        Self { name, shape: shape.to_vec(), bytes }
    }
}

fn input_tensors(inputs: &StageInputs) -> Vec<NamedTensor> {
    let StageInputs { image, noisy, content, dims, timestep, style } = inputs;
    let input = |name: &str, shape: &[usize], data: &[f32]| {
        NamedTensor::new(format!("in/{name}"), shape, data)
    };
    vec![
        input("image", &[image.n_mels, image.frames], &image.data),
        input("noisy", dims, noisy),
        input("content", dims, content),
        input("timestep", &[1], &[*timestep as f32]),
        input("tokens", &[style.count(), style.dim], &style.tokens),
        input("pooled", &[style.dim], &style.pooled),
        input("profile", &[style.profile.len()], &style.profile),
    ]
}

/// The flat output of each stage. The precomputed style has none; the steps depend on it.
fn output_tensors(model: &Model<Packed>, inputs: &StageInputs) -> Result<Vec<NamedTensor>> {
    let (ops, conditionings) = (&mut Packed::default(), inputs.conditionings());
    let StageInputs { image, noisy, content, dims, timestep, .. } = inputs;
    let style = model.style_tokens(ops, std::slice::from_ref(image))?;
    let output = |stage: Stage, data: &[f32]| {
        NamedTensor::new(format!("out/{}", stage.name()), &[data.len()], data)
    };
    Ok(vec![
        output(Stage::Encode, content),
        output(Stage::StyleTokens, &[style.tokens, style.pooled, style.instruments].concat()),
        output(
            Stage::Step,
            &model.denoise(ops, noisy, *dims, *timestep, &conditionings[..1])?.concat(),
        ),
        output(
            Stage::GuidedStep,
            &model.denoise(ops, noisy, *dims, *timestep, &conditionings)?.concat(),
        ),
        output(Stage::Decode, &model.decode(ops, content, *dims)?.data),
    ])
}

fn write<'a>(path: &Path, tensors: impl Iterator<Item = &'a NamedTensor>) -> Result<()> {
    let views = tensors
        .map(|NamedTensor { name, shape, bytes }| {
            Ok((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes)?))
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(safetensors::serialize_to_file(views, None, path)?)
}
