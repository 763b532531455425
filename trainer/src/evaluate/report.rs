//! `trainer evaluate --model FILE`: writes all tables and pictures to one folder.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use engine::{Error, Result, whole_file};
use serde_json::{Value, json};

use super::eval_args::EvalArgs;
use super::transfer::{Evaluation, RowArgs, Session};
use super::{audio, figures, recordings, row_name, write_json};
use crate::data::dataset::Split;
use crate::plot::ImageTable;

/// Options of the report.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Model, judge and sampler.
    #[command(flatten)]
    pub eval_args: EvalArgs,
    /// Folder of the rendered dataset with the test pieces.
    #[arg(long)]
    pub data: PathBuf,
    /// The SF2 soundfonts of `--data`. Without them no audio is evaluated.
    #[arg(long, num_args = 1..)]
    pub soundfonts: Vec<PathBuf>,
    /// Folder of a dataset rendered with a soundfont that training did not use.
    #[arg(long)]
    pub unseen: Option<PathBuf>,
    /// The SF2 soundfonts of `--unseen`.
    #[arg(long, num_args = 1..)]
    pub unseen_soundfonts: Vec<PathBuf>,
    /// Folder of real recordings, `<instrument>/<file>`.
    #[arg(long)]
    pub recordings: Option<PathBuf>,
    /// Pairs of images in each set.
    #[arg(long, default_value_t = 200, value_parser = super::at_least_one)]
    pub items: usize,
    /// Audio clips in each set.
    #[arg(long, default_value_t = 24, value_parser = super::at_least_one)]
    pub clips: usize,
    /// Seconds of each clip.
    #[arg(long, default_value_t = 8.0, value_parser = super::seconds)]
    pub seconds: f32,
    /// Settings with a row.
    #[command(flatten)]
    pub rows: RowArgs,
    /// Folder for `report.md`, `report.json` and the pictures.
    #[arg(long)]
    pub out: PathBuf,
}

/// Pieces that training did not use, and their soundfonts.
struct Material<'a> {
    title: &'static str,
    picture: &'static str,
    data: &'a Path,
    soundfonts: &'a [PathBuf],
}

/// Evaluates all sets and writes the report.
///
/// # Errors
/// If a file cannot be read or written, or a network fails.
pub fn run(args: &Args) -> Result<()> {
    std::fs::create_dir_all(&args.out).map_err(|e| Error::file(&args.out, e))?;
    let EvalArgs { model, sampling, .. } = &args.eval_args;
    let session = Session::open(&args.eval_args, &args.data)?;
    let mut text = format!("# {}\n\nSHA-256 `{}`. ", name(model), session.sha256);
    text += &format!(
        "Temperature {} and guidance {} unless a row names other values. Intervals are 95 % over \
         pieces (bootstrap).\n",
        sampling.temperature, sampling.guidance
    );
    let mut figures = json!({ "sha256": session.sha256, "sets": [] });
    let mut sets = vec![evaluate(args, &seen(args), &session)?];
    let autoencoder = table_3(&session)?;
    figures::draw(&session, &args.rows.steps, sampling.seed, &args.out)?;
    // Frees the images of this set before the next set is opened.
    drop(session);
    if let Some(set) = unseen(args) {
        sets.push(evaluate(args, &set, &Session::open(&args.eval_args, set.data)?)?);
    }
    for (section, values) in sets {
        text += &section;
        figures["sets"].as_array_mut().expect("an array").push(values);
    }
    if let Some(folder) = &args.recordings {
        let (section, values) = real_recordings(args, folder)?;
        text += &section;
        figures["recordings"] = values;
    }
    let (section, values) = autoencoder;
    text += &section;
    text += "\n## The student report's figures\n\n";
    for figure in &figures::FIGURES {
        writeln!(text, "- [{}]({})", figure.caption, figure.file).expect("write to string");
    }
    writeln!(text, "- [Figure 6, transfer at several step counts]({})", seen(args).picture)
        .expect("write to string");
    figures["autoencoder"] = values;
    whole_file::write(args.out.join("report.md"), &text)?;
    write_json(&args.out.join("report.json"), &figures)?;
    println!("{text}");
    Ok(())
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn seen(args: &Args) -> Material<'_> {
    Material {
        title: "Unseen pieces, training soundfonts",
        picture: "unseen-pieces.png",
        data: &args.data,
        soundfonts: &args.soundfonts,
    }
}

fn unseen(args: &Args) -> Option<Material<'_>> {
    args.unseen.as_deref().map(|data| Material {
        title: "Unseen pieces on an unseen soundfont, with a clip of it as the style",
        picture: "unseen-soundfont.png",
        data,
        soundfonts: &args.unseen_soundfonts,
    })
}

/// Section and figures of one set.
fn evaluate(args: &Args, material: &Material, session: &Session) -> Result<(String, Value)> {
    let evaluation =
        session.evaluate(Split::Test, args.items, &args.rows, &args.eval_args.sampling)?;
    draw(args, &evaluation, &args.out.join(material.picture))?;
    let mut text = format!("\n## {}\n\n", material.title);
    writeln!(
        text,
        "The model's images, {} pairs ([pictures]({})):\n",
        evaluation.table.len(),
        material.picture
    )
    .expect("write to string");
    text += &evaluation.table.markdown();
    text += &evaluation.breakdowns(&row_name(args.eval_args.sampling.settings().steps));
    let times: Vec<String> =
        evaluation.window_ms.iter().map(|(steps, ms)| format!("{ms:.0} ms at {steps}")).collect();
    writeln!(
        text,
        "\nTime of one window by DDIM steps, on this machine, with one window on every core: {}.",
        times.join(", ")
    )
    .expect("write to string");
    let mut values = json!({ "title": material.title, "images": evaluation.table.json() });
    if material.soundfonts.is_empty() {
        text += "\nNo audio was evaluated, because no soundfonts were specified.\n";
        return Ok((text, values));
    }
    let clips = audio::evaluate(&audio::Args {
        eval_args: args.eval_args.clone(),
        data: material.data.to_path_buf(),
        soundfonts: material.soundfonts.to_vec(),
        split: Split::Test,
        items: args.clips,
        seconds: args.seconds,
        steps: args.rows.steps.clone(),
        brief: false,
        baselines: None,
        json: None,
    })?;
    writeln!(text, "\nAudio of the complete chain, {} clips of {} s:\n", clips.len(), args.seconds)
        .expect("write to string");
    text += &clips.markdown();
    values["audio"] = clips.json();
    Ok((text, values))
}

/// Section and figures of the recordings, which have no true target.
fn real_recordings(args: &Args, folder: &Path) -> Result<(String, Value)> {
    let table = recordings::evaluate(&recordings::Args {
        eval_args: args.eval_args.clone(),
        recordings: folder.to_path_buf(),
        items: args.clips,
        seconds: args.seconds,
        steps: args.rows.steps.clone(),
        json: None,
    })?;
    let text = format!(
        "\n## Real recordings, each with the style of another instrument\n\n{} recordings of {} s. \
         The first row is the style's recording, which contains other notes.\n\n{}",
        table.len(),
        args.seconds,
        table.markdown()
    );
    Ok((text, table.json()))
}

fn draw(args: &Args, evaluation: &Evaluation, path: &Path) -> Result<()> {
    let roles = ["content", "style", "true target"].map(String::from).into_iter();
    let steps = args.rows.steps.iter().map(|steps| format!("steps: {steps}"));
    let panels =
        ImageTable { columns: roles.chain(steps).collect(), rows: evaluation.examples.clone() };
    panels.draw(path).map_err(|e| Error::file(path, format!("{e:#}")))
}

/// The applicable row of the student report's table 3, and the equivalents of its two scores.
fn table_3(session: &Session) -> Result<(String, Value)> {
    let (train, test) =
        (session.reconstruction_mse(Split::Train)?, session.reconstruction_mse(Split::Test)?);
    let format_mse = |mse: Option<f64>| mse.map_or("-".to_string(), |mse| format!("{mse:.6}"));
    let text = format!(
        "\n## The student report's table 3\n\n\
         | | report, training | report, validation | this model, training | this model, test |\n\
         |---|---|---|---|---|\n\
         | MSE of the autoencoder, images in [0, 1] | 0.008 | 0.009 | {} | {} |\n\n\
         The report's perceptual, KL and style losses depend on its own networks and have no \
         equivalent here. It does not define its \"content preservation\" (0.85); the equivalent \
         here is *chroma*, the cosine of the chromas of output and content. The equivalent of its \
         \"style accuracy\" (0.82) is *classified as target*, by a classifier that no loss uses.\n",
        format_mse(train),
        format_mse(test)
    );
    Ok((text, json!({ "mse_train": train, "mse_test": test })))
}
