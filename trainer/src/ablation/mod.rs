//! `trainer ablate`: measures the effect of each part of a recipe.
//!
//! Each row repeats the training from the start with one change. All models are evaluated on the
//! same pairs. A difference of two rows is computed on equal pairs, with an interval over pieces
//! (bootstrap). A row that changes only the seed shows how much two trainings differ by chance.

mod row_file;
mod saved;
mod table;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use candle_core::Device;
use engine::whole_file;
use serde_json::Value;

use self::row_file::AblationRow;
use self::saved::{Key, Set};
use crate::classifier::Judge;
use crate::config::RunConfig;
use crate::data::dataset::Split;
use crate::data::dataset::description::Description;
use crate::evaluate::eval_args::EvalArgs;
use crate::evaluate::sampling::Sampling;
use crate::evaluate::transfer::{RowArgs, Session};
use crate::evaluate::write_json;
use crate::tasks::TaskSetup;
use crate::train::{self, DeviceKind, Model};
use crate::train_loop::folder::Folder;
use crate::train_loop::stop::Stop;

/// DDIM steps of the evaluation: one step, which predicts the mean, and many.
const STEPS: [usize; 2] = [1, 10];

/// Trains a recipe with one change at a time, and evaluates the models.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// TOML file of `[[row]]` with `folder`, `title`, `changes` and `autoencoder` (lists of
    /// `key=value`). All rows are compared with the first.
    #[arg(long, value_name = "FILE")]
    pub rows: PathBuf,
    /// Run config that all rows share.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder of the rendered training dataset. Its test pieces are evaluated.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Folder of a dataset rendered with a soundfont that training did not use.
    #[arg(long, value_name = "DIR")]
    pub unseen: Option<PathBuf>,
    /// Model file of a trained autoencoder.
    #[arg(long, value_name = "FILE")]
    pub init: PathBuf,
    /// Run config of the autoencoder. Rows that change it train an autoencoder of their own.
    #[arg(long, value_name = "FILE")]
    pub autoencoder: Option<PathBuf>,
    /// Model file of the judge, a classifier.
    #[arg(long, value_name = "FILE")]
    pub classifier: PathBuf,
    /// Pairs of images in each set.
    #[arg(long, default_value_t = 200, value_parser = crate::evaluate::at_least_one)]
    pub items: usize,
    /// Folder for the run folders of the rows, `ablation.md` and `ablation.json`. Finished rows are
    /// not repeated.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Device.
    #[arg(long, value_enum, default_value_t)]
    pub device: DeviceKind,
    /// Overrides of the shared config, for example `steps=1500`. They do not apply to the rows' own
    /// autoencoders.
    #[arg(value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
}

impl Args {
    /// The evaluated datasets and their titles.
    fn sets(&self) -> Vec<(&'static str, &Path)> {
        let seen = ("unseen pieces", self.data.as_path());
        std::iter::once(seen)
            .chain(self.unseen.as_deref().map(|data| ("unseen soundfont", data)))
            .collect()
    }

    fn run_folder(&self, row: &AblationRow) -> Folder {
        Folder::new(&self.out.join(&row.folder))
    }

    /// Run folder of the autoencoder of a row that changes it.
    fn autoencoder_folder(&self, row: &AblationRow) -> Option<Folder> {
        (!row.autoencoder.is_empty())
            .then(|| Folder::new(&self.run_folder(row).path().join("autoencoder")))
    }
}

/// The table as Markdown and as JSON.
struct Report {
    text: String,
    figures: Value,
}

/// Trains and evaluates unfinished rows, and writes the table after each of them.
///
/// # Errors
/// If a file cannot be read or written, a row's folder holds another run, or a training diverges.
pub fn run(args: &Args) -> Result<()> {
    let rows = row_file::read(&args.rows)?;
    check(args, &rows)?;
    let mut finished: Vec<(AblationRow, Vec<Set>)> = Vec::new();
    for row in rows {
        println!("\n{} ({})", row.title, row.folder);
        for training in trainings(args, &row) {
            if !train_to_end(training).with_context(|| row.folder.clone())? || Stop::signalled() {
                println!("{}: stopped; repeat the command to continue", row.folder);
                return Ok(());
            }
        }
        let sets = evaluate(args, &row).with_context(|| row.folder.clone())?;
        finished.push((row, sets));
        let report = table::report(&finished)?;
        whole_file::write(args.out.join("ablation.md"), &report.text)?;
        write_json(&args.out.join("ablation.json"), &report.figures)?;
    }
    println!("{}", table::report(&finished)?.text);
    Ok(())
}

/// Checks all rows and the judge before the first training, which needs hours.
fn check(args: &Args, rows: &[AblationRow]) -> Result<()> {
    let mel = Description::read(&args.data)?.mel;
    for row in rows {
        for training in trainings(args, row) {
            let config = train::new_config(&training).with_context(|| row.folder.clone())?;
            let setup = TaskSetup { config: &config, device: Device::Cpu, init: None };
            for (term, weight) in
                [("style", config.loss.style), ("perceptual", config.loss.perceptual)]
            {
                setup.feature_loss(term, weight, &mel).with_context(|| row.folder.clone())?;
            }
        }
        ensure!(
            row.autoencoder.is_empty() || args.autoencoder.is_some(),
            "{}: the row changes the autoencoder; expected its config (--autoencoder), found none",
            row.folder
        );
    }
    Judge::read(&args.classifier)?;
    args.sets().iter().try_for_each(|(_, data)| Description::read(data).map(drop))?;
    Ok(())
}

/// The trainings of a row: its own autoencoder, if it has one, and its model.
fn trainings(args: &Args, row: &AblationRow) -> Vec<train::Args> {
    let training =
        |model, config: &Option<PathBuf>, folder: &Folder, init: Option<PathBuf>, overrides| {
            train::Args {
                config: config.clone(),
                init,
                resume: folder.holds_a_run(),
                device: args.device,
                overrides,
                ..train::Args::new(model, &args.data, folder.path())
            }
        };
    let own = args.autoencoder_folder(row);
    let init = own.as_ref().map_or_else(|| args.init.clone(), Folder::last);
    let changes = args.overrides.iter().chain(&row.changes).cloned().collect();
    let model = training(Model::Ldm, &args.config, &args.run_folder(row), Some(init), changes);
    let autoencoder = own.map(|folder| {
        training(Model::Autoencoder, &args.autoencoder, &folder, None, row.autoencoder.clone())
    });
    autoencoder.into_iter().chain([model]).collect()
}

/// Starts or resumes a training. Returns whether it finished.
fn train_to_end(training: train::Args) -> Result<bool> {
    if training.resume {
        let (folder, expected) = (Folder::new(&training.out), train::new_config(&training)?);
        let mut found = RunConfig::load_resumed(&folder.stopped_config(), &[])?;
        // The path of a row's own autoencoder changes if `--out` is moved.
        if Path::new(&expected.init).starts_with(folder.path()) {
            found.init.clone_from(&expected.init);
        }
        // A run keeps the measured choice between bf16 and f32.
        found.bf16 |= expected.bf16;
        if let Some(field) = expected.differs_from(&found)? {
            bail!(
                "{}: expected this row's {field}, found another value; use another --out",
                folder.path().display()
            );
        }
    }
    Ok(train::run(training)?.stopped.is_none())
}

/// Evaluates a row's model on the test pieces, or reads the saved evaluation of this model file.
fn evaluate(args: &Args, row: &AblationRow) -> Result<Vec<Set>> {
    let folder = args.run_folder(row);
    let (model, sets, file) = (folder.last(), args.sets(), folder.path().join("judged.json"));
    let datasets: Vec<&Path> = sets.iter().map(|(_, data)| *data).collect();
    let key = Key::new(&model, &args.classifier, &datasets, args.items)?;
    if let Some(saved) = saved::read(&file, &key)? {
        return Ok(saved);
    }
    let eval_args =
        EvalArgs { model, classifier: args.classifier.clone(), sampling: Sampling::default() };
    let rows = RowArgs { steps: STEPS.to_vec(), guidances: Vec::new(), style_windows: Vec::new() };
    let mut tables = Vec::new();
    for (title, data) in sets {
        let session = Session::open(&eval_args, data)?;
        tables.push((
            title,
            session.evaluate(Split::Test, args.items, &rows, &eval_args.sampling)?.table,
        ));
    }
    saved::write(&file, &key, &tables)?;
    saved::read(&file, &key)?.context("the evaluation that was just saved cannot be read")
}
