//! `trainer evaluate --model FILE`: writes all tables and pictures to one folder.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use engine::{Error, Result, whole_file};
use serde_json::{Value, json};

use super::eval_args::EvalArgs;
use super::report_page::ReportPage;
use super::transfer::{Evaluation, RowArgs, Session};
use super::{audio, direction, figures, recordings, residual, row_name, texture, write_json};
use crate::data::dataset::Split;
use crate::plot::ImageTable;

/// DDIM step counts of the tables of `--brief-clips`: the default and a larger one.
const BRIEF_STEPS: [usize; 2] = [2, 10];

/// Options of the report.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Model, judge and sampler.
    #[command(flatten)]
    pub eval_args: EvalArgs,
    /// Folder of the rendered dataset with the test pieces.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// The SF2 soundfonts of `--data`. Without them no audio is evaluated.
    #[arg(long, num_args = 1.., value_name = "FILE")]
    pub soundfonts: Vec<PathBuf>,
    /// Folder of a dataset rendered with a soundfont that training did not use.
    #[arg(long, value_name = "DIR")]
    pub unseen: Option<PathBuf>,
    /// The SF2 soundfonts of `--unseen`.
    #[arg(long, num_args = 1.., value_name = "FILE")]
    pub unseen_soundfonts: Vec<PathBuf>,
    /// Folder of real recordings, `<instrument>/<file>`.
    #[arg(long, value_name = "DIR")]
    pub recordings: Option<PathBuf>,
    /// Number of pairs of images in each set.
    #[arg(long, default_value_t = 200, value_parser = super::at_least_one, value_name = "N")]
    pub items: usize,
    /// Number of audio clips in each set.
    #[arg(long, default_value_t = 24, value_parser = super::at_least_one, value_name = "N")]
    pub clips: usize,
    /// Number of audio clips in an additional table of each set, with 2 and 10 steps and without
    /// other latency modes and Griffin-Lim [default: no such table].
    #[arg(long, value_parser = super::at_least_one, value_name = "N")]
    pub brief_clips: Option<usize>,
    /// Length of each clip in seconds.
    #[arg(long, default_value_t = 8.0, value_parser = super::seconds, value_name = "SECONDS")]
    pub seconds: f32,
    /// Settings with a row.
    #[command(flatten)]
    pub rows: RowArgs,
    /// Folder for `report.md`, `report.json` and the pictures.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// Pieces that training did not use, and their soundfonts.
struct Material<'a> {
    /// Name of the set in headings.
    name: &'static str,
    /// Name of the set in `report.json`.
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
    let start = Instant::now();
    std::fs::create_dir_all(&args.out).map_err(|e| Error::file(&args.out, e))?;
    let session = Session::open(&args.eval_args, &args.data)?;
    let mut page = ReportPage::default();
    let mut json = json!({ "sha256": session.sha256, "sets": [] });
    let sha256 = session.sha256.clone();
    let mut sets = vec![evaluate_images(args, &seen(args), &session, &mut page)?];
    let mse = autoencoder_mse(&session)?;
    figures::draw(&session, &args.rows.steps, args.eval_args.sampling.seed, &args.out)?;
    // Frees the images of this set before the next set is opened.
    drop(session);
    if let Some(set) = unseen(args) {
        let session = Session::open(&args.eval_args, set.data)?;
        sets.push(evaluate_images(args, &set, &session, &mut page)?);
    }
    for (set, values) in [Some(seen(args)), unseen(args)].iter().flatten().zip(&mut sets) {
        evaluate_audio(args, set, &mut page, values)?;
    }
    json["sets"] = json!(sets);
    if let Some(folder) = &args.recordings {
        json["recordings"] = evaluate_recordings(args, folder, &mut page)?;
    }
    add_autoencoder(&mut page, mse);
    json["autoencoder"] = json!({ "mse_train": mse[0], "mse_test": mse[1] });
    add_pictures(args, &mut page);
    let text = page.markdown(&introduction(args, &sha256, start.elapsed().as_secs_f64()));
    whole_file::write(args.out.join("report.md"), &text)?;
    write_json(&args.out.join("report.json"), &json)?;
    println!("{text}");
    Ok(())
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn seen(args: &Args) -> Material<'_> {
    Material {
        name: "training soundfonts",
        title: "Unseen pieces, training soundfonts",
        picture: "figure-6-transfer.png",
        data: &args.data,
        soundfonts: &args.soundfonts,
    }
}

fn unseen(args: &Args) -> Option<Material<'_>> {
    args.unseen.as_deref().map(|data| Material {
        name: "unseen soundfont",
        title: "Unseen pieces on an unseen soundfont, with a clip of it as the style",
        picture: "transfer-unseen-soundfont.png",
        data,
        soundfonts: &args.unseen_soundfonts,
    })
}

/// Title, date, command and settings of the report.
fn introduction(args: &Args, sha256: &str, seconds: f64) -> String {
    let EvalArgs { model, sampling, .. } = &args.eval_args;
    format!(
        "# Results of `{}`\n\n\
         SHA-256 of the model file: `{sha256}`.\n\n\
         {}, {} CPU threads, {:.0} min:\n\n\
         {}\n\
         Temperature {} and guidance {} unless a row names other values. Rows without a number of \
         steps use\n\
         {} steps, *Live* 1. Brackets contain 95 % intervals (bootstrap over pieces). Content and \
         target are\n\
         on different instruments. All pieces are test pieces: training did not use them.\n",
        file_name(model),
        super::date::today(),
        rayon::current_num_threads(),
        (seconds / 60.0).ceil(),
        command(std::env::args().skip(1)),
        sampling.temperature,
        sampling.guidance,
        sampling.settings().steps,
    )
}

/// The command line as a code block with a line for each group of options.
fn command(arguments: impl Iterator<Item = String>) -> String {
    const COLUMNS: usize = 96;
    let quote = |word: String| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+".contains(c);
        if word.chars().all(plain) { word } else { format!("'{word}'") }
    };
    // An option and its values stay on one line.
    let mut groups = vec![String::from("trainer")];
    for word in arguments.map(quote) {
        match groups.last_mut() {
            Some(group) if !word.starts_with("--") => *group += &format!(" {word}"),
            _ => groups.push(word),
        }
    }
    let (mut text, mut column) = (String::from("   "), 3);
    for group in groups {
        if column > 3 && column + 1 + group.len() > COLUMNS {
            text += " \\\n       ";
            column = 7;
        }
        write!(text, " {group}").expect("write to string");
        column += 1 + group.len();
    }
    text + "\n"
}

/// Adds the tables of images of one set, and returns its figures.
fn evaluate_images(
    args: &Args,
    material: &Material,
    session: &Session,
    page: &mut ReportPage,
) -> Result<Value> {
    let name = material.name;
    let sampling = &args.eval_args.sampling;
    let evaluation = session.evaluate(Split::Test, args.items, &args.rows, sampling)?;
    draw(args, &evaluation, &args.out.join(material.picture))?;
    let Evaluation { table, textures, directions, window_ms, .. } = &evaluation;
    page.section(
        &format!("Images, {name}"),
        &format!("{} pairs of test pieces ([pictures]({})).", table.len(), material.picture),
    );
    page.subsection(&format!("All pairs, {name}"), "", &table.markdown());
    let steps = sampling.settings().steps;
    let row = row_name(steps);
    if !table.row_line(&row, &row).is_empty() {
        let with_steps = if steps == 1 { "1 step.".into() } else { format!("{steps} steps.") };
        let parts = [
            ("number of notes", texture::markdown(table, textures, &row)),
            ("instrument", direction::markdown(table, directions, &row)),
        ];
        for (title, markdown) in parts {
            page.subsection(&format!("By {title}, {name}"), &with_steps, &markdown);
        }
        page.subsection(
            &format!("Error components, {name}"),
            "The squares of *envelope*, *partials* and *movement* add up to the square of the mel \
             LSD, for each\nimage. The last column is the mel LSD after a correction of the mean \
             of each band.",
            &table.with_columns(&residual::COLUMNS).markdown(),
        );
    }
    let times: Vec<String> = window_ms.iter().map(|(s, ms)| format!("| {s} | {ms:.0} |")).collect();
    page.subsection(
        &format!("Time, {name}"),
        "Time of one window on this machine, with one window on every core.",
        &format!("| DDIM steps | time, ms |\n|---|---|\n{}\n", times.join("\n")),
    );
    Ok(json!({ "title": material.title, "images": table.json() }))
}

/// Adds the tables of audio of one set, and adds their figures to `values`.
fn evaluate_audio(
    args: &Args,
    material: &Material,
    page: &mut ReportPage,
    values: &mut Value,
) -> Result<()> {
    let name = material.name;
    let title = format!("Audio, {name}");
    if material.soundfonts.is_empty() {
        page.section(&title, "No audio was evaluated, because no soundfonts were specified.");
        return Ok(());
    }
    page.section(&title, "The clips pass through the same stream as in `cargo xtask transfer`.");
    let tables = [(Some(args.clips), false), (args.brief_clips, true)];
    for (items, brief) in tables.into_iter().filter_map(|(items, brief)| Some((items?, brief))) {
        let clips = audio::evaluate(&audio::Args {
            eval_args: args.eval_args.clone(),
            data: material.data.to_path_buf(),
            soundfonts: material.soundfonts.to_vec(),
            split: Split::Test,
            items,
            seconds: args.seconds,
            steps: if brief { BRIEF_STEPS.to_vec() } else { args.rows.steps.clone() },
            brief,
            baselines: None,
            json: None,
        })?;
        let heading = if brief { "Main settings" } else { "All settings" };
        let text = format!("{} clips of {} s.", clips.len(), args.seconds);
        page.subsection(&format!("{heading}, {name}"), &text, &clips.markdown());
        values[if brief { "brief_audio" } else { "audio" }] = clips.json();
    }
    Ok(())
}

/// Adds the table of recordings, which have no true target, and returns its figures.
fn evaluate_recordings(args: &Args, folder: &Path, page: &mut ReportPage) -> Result<Value> {
    let table = recordings::evaluate(&recordings::Args {
        eval_args: args.eval_args.clone(),
        recordings: folder.to_path_buf(),
        items: args.clips,
        seconds: args.seconds,
        steps: args.rows.steps.clone(),
        json: None,
    })?;
    page.section(
        "Recordings",
        &format!(
            "{} recordings of {} s, each with the style of another instrument. The first row is \
             the style's\nrecording, which contains other notes.\n\n{}",
            table.len(),
            args.seconds,
            table.markdown()
        ),
    );
    Ok(table.json())
}

fn draw(args: &Args, evaluation: &Evaluation, path: &Path) -> Result<()> {
    let roles = ["content", "style", "true target"].map(String::from).into_iter();
    let steps = args.rows.steps.iter().map(|steps| format!("steps: {steps}"));
    let panels =
        ImageTable { columns: roles.chain(steps).collect(), rows: evaluation.examples.clone() };
    panels.draw(path).map_err(|e| Error::file(path, format!("{e:#}")))
}

/// Mean squared error of the autoencoder on training and test images.
fn autoencoder_mse(session: &Session) -> Result<[Option<f64>; 2]> {
    Ok([session.reconstruction_mse(Split::Train)?, session.reconstruction_mse(Split::Test)?])
}

/// Adds the applicable row of the student report's table 3, and the equivalents of its two scores.
fn add_autoencoder(page: &mut ReportPage, mse: [Option<f64>; 2]) {
    let [train, test] = mse.map(|mse| mse.map_or("-".to_string(), |mse| format!("{mse:.6}")));
    page.section(
        "Autoencoder",
        &format!(
            "Mean squared error of images in [0, 1], with table 3 of the student report.\n\n\
             | | report, training | report, validation | this model, training | this model, test |\n\
             |---|---|---|---|---|\n\
             | MSE | 0.008 | 0.009 | {train} | {test} |\n\n\
             The report's perceptual, KL and style losses depend on its own networks and have no \
             equivalent\n\
             here. It does not define its \"content preservation\" (0.85). The equivalent here is \
             *chroma*, the\n\
             cosine of the chromas of output and content. The equivalent of its \"style accuracy\" \
             (0.82) is\n\
             *classified as target*, by a classifier that no loss uses.\n"
        ),
    );
}

/// Adds the links to all pictures.
fn add_pictures(args: &Args, page: &mut ReportPage) {
    let mut text = String::from(
        "All pictures show test pieces. The numbers are those of the student report.\n\n",
    );
    for figure in &figures::FIGURES {
        writeln!(text, "- [{}]({})", figure.caption, figure.file).expect("write to string");
    }
    writeln!(text, "- [Figure 6, transfer at several step counts]({})", seen(args).picture)
        .expect("write to string");
    if let Some(set) = unseen(args) {
        writeln!(text, "- [The same on the unseen soundfont]({})", set.picture)
            .expect("write to string");
    }
    page.section("Pictures", &text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_a_code_block_of_whole_options() {
        let short = ["evaluate", "--model", "a b.safetensors"].map(String::from).into_iter();
        assert_eq!(command(short), "    trainer evaluate --model 'a b.safetensors'\n");
        let long = "evaluate --soundfonts first-soundfont.sf2 second-soundfont.sf2 \
                    --data some/folder/of/data --steps 1 2 4";
        let text = command(long.split_whitespace().map(String::from));
        assert_eq!(
            text,
            "    trainer evaluate --soundfonts first-soundfont.sf2 second-soundfont.sf2 \\\n        \
             --data some/folder/of/data --steps 1 2 4\n"
        );
    }
}
