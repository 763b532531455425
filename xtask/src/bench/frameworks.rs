//! PyTorch and ONNX Runtime, by a Python that has them: `tests/bench/frameworks.py` says what it
//! times.

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

/// How far a framework's value may lie from ours before it is another network that is timed.
const TOLERANCE: f64 = 1e-3;
const SCRIPT: &str = "tests/bench/frameworks.py";
const REQUIREMENTS: &str = "tests/bench/requirements.txt";

/// The running script: it is asked line by line, and ends when nobody can ask any more.
pub struct Frameworks {
    script: Child,
    found: Vec<Found>,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// What the script says first.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Greeting {
    /// The import that failed.
    Missing(String),
    Frameworks(Vec<Found>),
}

#[derive(Deserialize)]
struct Found {
    name: String,
    /// Largest difference from one of our values.
    furthest: f64,
}

impl Frameworks {
    /// Starts them, or says on the screen why not.
    ///
    /// # Errors
    /// If one of them does not compute what we compute.
    pub fn open(
        args: &Args,
        file: &Path,
        model: &Model<Packed>,
        given: &StageInputs,
    ) -> Result<Option<Self>> {
        let skipped = |why: &str| println!("PyTorch and ONNX Runtime are skipped: {why}.\n");
        let Some(python) = &args.python else {
            skipped(&format!("no --python that has what {REQUIREMENTS} lists"));
            return Ok(None);
        };
        // The script has read the file when it says its first line.
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("given.safetensors");
        write(&path, inputs(given).iter().chain(&outputs(model, given)?))?;
        let mut script = start(args, python, file, &path)?;
        let questions = script.stdin.take().context("the script's input")?;
        let mut answers = BufReader::new(script.stdout.take().context("the script's output")?);
        let found = match read(&mut answers)? {
            Greeting::Frameworks(found) => found,
            Greeting::Missing(what) => {
                let install = format!("`{} -m pip install -r {REQUIREMENTS}`", python.display());
                skipped(&format!("{what} ({install} installs what is needed)"));
                return Ok(None);
            }
        };
        for Found { name, furthest } in &found {
            ensure!(
                *furthest <= TOLERANCE,
                "{name}: expected our values within {TOLERANCE}, found {furthest}"
            );
            println!("{name} differs from the packed engine by {furthest:.1e} at most.\n");
        }
        Ok(Some(Self { script, found, questions, answers }))
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.found.iter().map(|found| found.name.as_str())
    }

    /// Each one's median time of the stages, one after the other.
    pub fn medians_ms(&mut self, stages: &[Stage]) -> Result<Vec<f64>> {
        let names: Vec<&str> = stages.iter().map(|stage| stage.name()).collect();
        // A question to nobody would end us without a word.
        let ended = self.script.try_wait().context(SCRIPT)?;
        ensure!(ended.is_none(), "{SCRIPT} ended early (its message is above)");
        writeln!(self.questions, "{}", serde_json::to_string(&names)?).context(SCRIPT)?;
        read(&mut self.answers)
    }

    /// Waits until the script has gone, so that it takes no time from what comes after.
    pub fn close(mut self) -> Result<()> {
        drop(self.questions);
        self.script.wait().map(drop).context(SCRIPT)
    }
}

fn start(args: &Args, python: &Path, file: &Path, given: &Path) -> Result<Child> {
    let mut script = Command::new(python);
    script.arg(workspace::root().join(SCRIPT)).arg(file).arg(given);
    script.args([args.repeats, args.threads].map(|number| number.to_string()));
    script.stdin(Stdio::piped()).stdout(Stdio::piped());
    script.spawn().with_context(|| format!("{} could not be started", python.display()))
}

fn read<T: DeserializeOwned>(answers: &mut impl BufRead) -> Result<T> {
    let mut line = String::new();
    answers.read_line(&mut line)?;
    ensure!(!line.is_empty(), "{SCRIPT} failed (its message is above)");
    serde_json::from_str(&line).with_context(|| format!("{SCRIPT} answered `{}`", line.trim()))
}

/// A tensor as a file keeps it.
struct Kept {
    name: String,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Kept {
    fn new(name: String, shape: &[usize], data: &[f32]) -> Self {
        let bytes = data.iter().flat_map(|v| v.to_le_bytes()).collect();
        Self { name, shape: shape.to_vec(), bytes }
    }
}

fn inputs(given: &StageInputs) -> Vec<Kept> {
    let StageInputs { image, noisy, content, dims, timestep, style } = given;
    let input =
        |name: &str, shape: &[usize], data: &[f32]| Kept::new(format!("in/{name}"), shape, data);
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

/// What each stage makes, one value after the other. That a style is read well is seen in the
/// steps.
fn outputs(model: &Model<Packed>, given: &StageInputs) -> Result<Vec<Kept>> {
    let (ops, conditionings) = (&mut Packed::default(), given.conditionings());
    let StageInputs { image, noisy, content, dims, timestep, .. } = given;
    let style = model.style_tokens(ops, std::slice::from_ref(image))?;
    let made = |stage: Stage, data: &[f32]| {
        Kept::new(format!("out/{}", stage.name()), &[data.len()], data)
    };
    Ok(vec![
        made(Stage::Encode, content),
        made(Stage::StyleTokens, &[style.tokens, style.pooled, style.instruments].concat()),
        made(
            Stage::Step,
            &model.denoise(ops, noisy, *dims, *timestep, &conditionings[..1])?.concat(),
        ),
        made(
            Stage::GuidedStep,
            &model.denoise(ops, noisy, *dims, *timestep, &conditionings)?.concat(),
        ),
        made(Stage::Decode, &model.decode(ops, content, *dims)?.data),
    ])
}

fn write<'a>(path: &Path, kept: impl Iterator<Item = &'a Kept>) -> Result<()> {
    let views = kept
        .map(|Kept { name, shape, bytes }| {
            Ok((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes)?))
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(safetensors::serialize_to_file(views, None, path)?)
}
