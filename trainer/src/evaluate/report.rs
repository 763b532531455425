//! `trainer evaluate --model FILE`: every table and a sheet of pictures, in one folder.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use engine::{Error, Result, whole_file};
use serde_json::{Value, json};

use super::eval_args::EvalArgs;
use super::transfer::{Judged, RowArgs, Session};
use super::{audio, figures, recordings, row_name, write_json};
use crate::data::dataset::Split;
use crate::plot::ImageTable;

/// What is judged, and how thoroughly.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// What is judged, by whom, and how it draws.
    #[command(flatten)]
    pub eval_args: EvalArgs,
    /// Folder of the rendered dataset whose unseen pieces are played.
    #[arg(long)]
    pub data: PathBuf,
    /// The SF2 soundfonts of `--data`; without them nothing is judged by ear.
    #[arg(long, num_args = 1..)]
    pub soundfonts: Vec<PathBuf>,
    /// Folder of a dataset rendered on a soundfont that training never heard.
    #[arg(long)]
    pub unseen: Option<PathBuf>,
    /// The SF2 soundfonts of `--unseen`.
    #[arg(long, num_args = 1..)]
    pub unseen_soundfonts: Vec<PathBuf>,
    /// Folder of real recordings, `<instrument>/<file>`.
    #[arg(long)]
    pub recordings: Option<PathBuf>,
    /// Pairs of images of each set.
    #[arg(long, default_value_t = 200, value_parser = super::at_least_one)]
    pub items: usize,
    /// Clips of each set that are played and heard.
    #[arg(long, default_value_t = 24, value_parser = super::at_least_one)]
    pub clips: usize,
    /// Seconds of a clip.
    #[arg(long, default_value_t = 8.0, value_parser = super::seconds)]
    pub seconds: f32,
    /// Which settings have rows.
    #[command(flatten)]
    pub rows: RowArgs,
    /// Folder for `report.md`, `report.json` and the pictures.
    #[arg(long)]
    pub out: PathBuf,
}

/// Pieces that the model never saw, with the soundfonts that play them.
struct Material<'a> {
    title: &'static str,
    picture: &'static str,
    data: &'a Path,
    soundfonts: &'a [PathBuf],
}

/// Judges everything and writes the report.
///
/// # Errors
/// If a file cannot be read or written, or a network fails.
pub fn run(args: &Args) -> Result<()> {
    std::fs::create_dir_all(&args.out).map_err(|e| Error::file(&args.out, e))?;
    let EvalArgs { model, sampling, .. } = &args.eval_args;
    let session = Session::open(&args.eval_args, &args.data)?;
    let mut text = format!("# {}\n\nSHA-256 `{}`. ", name(model), session.sha256);
    text += &format!(
        "Temperature {}, guidance {} where nothing else is said; intervals are 95 % over pieces (bootstrap).\n",
        sampling.temperature, sampling.guidance
    );
    let mut figures = json!({ "sha256": session.sha256, "sets": [] });
    let mut sets = vec![judge(args, &seen(args), &session)?];
    let autoencoder = table_3(&session)?;
    figures::draw(&session, &args.rows.steps, sampling.seed, &args.out)?;
    // The other set's images need not lie in memory beside these.
    drop(session);
    if let Some(set) = unseen(args) {
        sets.push(judge(args, &set, &Session::open(&args.eval_args, set.data)?)?);
    }
    for (section, values) in sets {
        text += &section;
        figures["sets"].as_array_mut().expect("made above").push(values);
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
        writeln!(text, "- [{}]({})", figure.caption, figure.file).expect("a string takes it");
    }
    writeln!(text, "- [Figure 6, transfer at several step counts]({})", seen(args).picture)
        .expect("a string takes it");
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
        title: "Unseen pieces, soundfonts as in training",
        picture: "unseen-pieces.png",
        data: &args.data,
        soundfonts: &args.soundfonts,
    }
}

fn unseen(args: &Args) -> Option<Material<'_>> {
    args.unseen.as_deref().map(|data| Material {
        title: "Unseen pieces on an unseen soundfont, the style given as a clip of it",
        picture: "unseen-soundfont.png",
        data,
        soundfonts: &args.unseen_soundfonts,
    })
}

/// One set's section and figures.
fn judge(args: &Args, material: &Material, session: &Session) -> Result<(String, Value)> {
    let judged = session.judge(Split::Test, args.items, &args.rows, &args.eval_args.sampling)?;
    draw(args, &judged, &args.out.join(material.picture))?;
    let mut text = format!("\n## {}\n\n", material.title);
    writeln!(
        text,
        "The model's images, {} pairs ([pictures]({})):\n",
        judged.table.len(),
        material.picture
    )
    .expect("a string takes it");
    text += &judged.table.markdown();
    text += &judged.apart(&row_name(args.eval_args.sampling.settings().steps));
    let times: Vec<String> =
        judged.window_ms.iter().map(|(steps, ms)| format!("{ms:.0} ms at {steps}")).collect();
    writeln!(
        text,
        "\nOne window by DDIM steps, on this machine, with every core at a window of its own: {}.",
        times.join(", ")
    )
    .expect("a string takes it");
    let mut values = json!({ "title": material.title, "images": judged.table.json() });
    if material.soundfonts.is_empty() {
        text += "\nNot judged by ear: no soundfonts were given.\n";
        return Ok((text, values));
    }
    let heard = audio::judge(&audio::Args {
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
    writeln!(text, "\nWhat a listener gets, {} clips of {} s:\n", heard.len(), args.seconds)
        .expect("a string takes it");
    text += &heard.markdown();
    values["audio"] = heard.json();
    Ok((text, values))
}

/// The section of recordings, of which nobody knows a true target.
fn real_recordings(args: &Args, folder: &Path) -> Result<(String, Value)> {
    let table = recordings::judge(&recordings::Args {
        eval_args: args.eval_args.clone(),
        recordings: folder.to_path_buf(),
        items: args.clips,
        seconds: args.seconds,
        steps: args.rows.steps.clone(),
        json: None,
    })?;
    let text = format!(
        "\n## Real recordings, each in the sound of another instrument's\n\n{} recordings of {} s; the first row is the style itself, which \
         plays something else.\n\n{}",
        table.len(),
        args.seconds,
        table.markdown()
    );
    Ok((text, table.json()))
}

fn draw(args: &Args, judged: &Judged, path: &Path) -> Result<()> {
    let roles = ["content", "style", "true target"].map(String::from).into_iter();
    let steps = args.rows.steps.iter().map(|steps| format!("steps: {steps}"));
    let panels =
        ImageTable { columns: roles.chain(steps).collect(), rows: judged.examples.clone() };
    panels.draw(path).map_err(|e| Error::file(path, format!("{e:#}")))
}

/// The row of the report's table 3 that has a meaning here, and what became of its two scores.
fn table_3(session: &Session) -> Result<(String, Value)> {
    let (train, test) =
        (session.reconstruction_mse(Split::Train)?, session.reconstruction_mse(Split::Test)?);
    let say = |mse: Option<f64>| mse.map_or("-".to_string(), |mse| format!("{mse:.6}"));
    let text = format!(
        "\n## The student report's table 3\n\n| | its training | its validation | here, training | here, test |\n|---|---|---|---|---|\n\
         | MSE of the autoencoder, images in [0, 1] | .008 | .009 | {} | {} |\n\n\
         Its perceptual, KL and style losses are numbers of its own networks. Its \"content preservation\" (.85) is undefined; here it is *chroma*, \
         the cosine of the output's and the content's chroma. Its \"style accuracy\" (.82) is here *heard as the target*, by a \
         classifier that no loss listens through.\n",
        say(train),
        say(test)
    );
    Ok((text, json!({ "mse_train": train, "mse_test": test })))
}
