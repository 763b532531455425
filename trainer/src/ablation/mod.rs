//! `trainer ablate`: what each part of a recipe brings.
//!
//! The same training is run again and again with one thing changed, each time from nothing, and all
//! the models are judged on the same pairs. A difference between two rows is paired with the pairs
//! (bootstrap over pieces); how much of it is the luck of one training, a row that changes the seed
//! alone tells.

mod judged;
mod rows;
mod table;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use candle_core::Device;
use engine::whole_file;
use serde_json::Value;

use self::judged::{Key, Set};
use self::rows::Row;
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

/// DDIM steps at which every model is judged: the mean alone, and what many more make of it.
const STEPS: [usize; 2] = [1, 10];

/// Trains a recipe with one thing changed at a time, and judges what came of it.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The rows: a TOML file of `[[row]]` with `folder`, `title`, `changes` and `autoencoder`
    /// (lists of `key=value`); the first is compared with.
    #[arg(long, value_name = "FILE")]
    pub rows: PathBuf,
    /// Run config that all rows share.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder of the rendered dataset that is trained on; its test pieces are judged.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Folder of a dataset rendered on a soundfont that training never heard.
    #[arg(long, value_name = "DIR")]
    pub unseen: Option<PathBuf>,
    /// File of a trained autoencoder.
    #[arg(long, value_name = "FILE")]
    pub init: PathBuf,
    /// Run config of the autoencoder, for rows that change it: they train one of their own.
    #[arg(long, value_name = "FILE")]
    pub autoencoder: Option<PathBuf>,
    /// Classifier that judges.
    #[arg(long, value_name = "FILE")]
    pub classifier: PathBuf,
    /// Pairs of images of each set.
    #[arg(long, default_value_t = 200, value_parser = crate::evaluate::at_least_one)]
    pub items: usize,
    /// Folder for a run folder of each row, `ablation.md` and `ablation.json`. What is there
    /// already is not done again.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Where to train.
    #[arg(long, value_enum, default_value_t)]
    pub device: DeviceKind,
    /// Changes of the config that all rows share, `steps=1500`; the rows' own autoencoders have
    /// theirs.
    #[arg(value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
}

impl Args {
    /// The datasets whose test pieces are judged, with their names.
    fn sets(&self) -> Vec<(&'static str, &Path)> {
        let seen = ("unseen pieces", self.data.as_path());
        std::iter::once(seen)
            .chain(self.unseen.as_deref().map(|data| ("unseen soundfont", data)))
            .collect()
    }

    fn run_folder(&self, row: &Row) -> Folder {
        Folder::new(&self.out.join(&row.folder))
    }

    /// Where the autoencoder of a row lies, that trains one of its own.
    fn autoencoder_folder(&self, row: &Row) -> Option<Folder> {
        (!row.autoencoder.is_empty())
            .then(|| Folder::new(&self.run_folder(row).path().join("autoencoder")))
    }
}

/// A table of rows, for people and for programs.
struct Report {
    text: String,
    figures: Value,
}

/// Trains and judges what is missing, row by row, and writes the table after each of them.
///
/// # Errors
/// If a file cannot be read or written, a row's folder holds another run, or a training diverges.
pub fn run(args: &Args) -> Result<()> {
    let rows = rows::read(&args.rows)?;
    check(args, &rows)?;
    let mut judged: Vec<(Row, Vec<Set>)> = Vec::new();
    for row in rows {
        println!("\n{} ({})", row.title, row.folder);
        for training in trainings(args, &row) {
            if !trained(training).with_context(|| row.folder.clone())? || Stop::signalled() {
                println!("{}: stopped; the same command goes on with it", row.folder);
                return Ok(());
            }
        }
        let found = judge(args, &row).with_context(|| row.folder.clone())?;
        judged.push((row, found));
        let report = table::report(&judged)?;
        whole_file::write(args.out.join("ablation.md"), &report.text)?;
        write_json(&args.out.join("ablation.json"), &report.figures)?;
    }
    println!("{}", table::report(&judged)?.text);
    Ok(())
}

/// Finds what is wrong with later rows and with the judge before hours are spent on the first.
fn check(args: &Args, rows: &[Row]) -> Result<()> {
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
            "{}: expected the autoencoder's run config, which this row changes (--autoencoder), found none",
            row.folder
        );
    }
    Judge::read(&args.classifier)?;
    args.sets().iter().try_for_each(|(_, data)| Description::read(data).map(drop))?;
    Ok(())
}

/// What `trainer train` is asked for a row: its own autoencoder, if it has one, and its model.
fn trainings(args: &Args, row: &Row) -> Vec<train::Args> {
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

/// Trains to the end, or goes on with it; whether it came there.
fn trained(training: train::Args) -> Result<bool> {
    if training.resume {
        let (folder, wanted) = (Folder::new(&training.out), train::new_config(&training)?);
        let mut found = RunConfig::stopped(&folder.stopped_config(), &[])?;
        // A row's own autoencoder lies in its folder, wherever that has been moved to.
        if Path::new(&wanted.init).starts_with(folder.path()) {
            found.init.clone_from(&wanted.init);
        }
        if let Some(field) = wanted.differs_from(&found)? {
            bail!(
                "{}: expected a run with this row's {field}, found another; choose another --out",
                folder.path().display()
            );
        }
    }
    Ok(train::run(training)?.stopped.is_none())
}

/// What a row's model makes of the test pieces; read where this very file was judged before.
fn judge(args: &Args, row: &Row) -> Result<Vec<Set>> {
    let folder = args.run_folder(row);
    let (model, sets, file) = (folder.last(), args.sets(), folder.path().join("judged.json"));
    let datasets: Vec<&Path> = sets.iter().map(|(_, data)| *data).collect();
    let key = Key::new(&model, &args.classifier, &datasets, args.items)?;
    if let Some(known) = judged::read(&file, &key)? {
        return Ok(known);
    }
    let eval_args =
        EvalArgs { model, classifier: args.classifier.clone(), sampling: Sampling::default() };
    let rows = RowArgs { steps: STEPS.to_vec(), guidances: Vec::new(), style_windows: Vec::new() };
    let mut tables = Vec::new();
    for (title, data) in sets {
        let session = Session::open(&eval_args, data)?;
        tables.push((
            title,
            session.judge(Split::Test, args.items, &rows, &eval_args.sampling)?.table,
        ));
    }
    judged::write(&file, &key, &tables)?;
    judged::read(&file, &key)?.context("what was judged just now cannot be read")
}
