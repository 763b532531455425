//! `trainer evaluate recordings`: any folder of real recordings, each played in the sound of
//! another instrument's.
//!
//! Nobody knows what the true target would be. What can be said: whether the content's notes are
//! still there, whether the sound moved towards the style's recording, and what the judge hears.
//! The first row, in the place of the truth, is the style's recording itself, which plays something
//! else.

use std::path::PathBuf;

use engine::audio_file::{Audio, Reader};
use engine::image::MelImage;
use engine::latency_mode::LatencyMode;
use engine::settings::Settings;
use engine::{Error, Result, reference};
use rayon::prelude::*;

use super::audio_judge::AudioJudge;
use super::chroma::chroma_cosine;
use super::eval_args::EvalArgs;
use super::table::{Column, Form, Row, Table};
use super::timbre::timbre_distance_db;
use super::{envelope, publish, row_name};
use crate::data::source_files::{self, SourceFile};
use crate::transcription::Note;
use crate::transcription::agreement::agreement;

/// What the table says.
pub const COLUMNS: [Column; 5] = [
    Column::new("notes as in the content, F1 (95 %)", "notes", Form::MeanInterval),
    Column::new("chroma as in the content", "chroma", Form::Mean),
    Column::coarse("timbre distance to the style, dB", "timbre", Form::Mean),
    Column::new("/ content's (95 %)", "timbre", Form::OfCopy),
    Column::new("heard as the style's instrument", "heard", Form::Mean),
];

/// Judges a model on a folder of recordings, `<instrument>/<file>`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// What is judged, by whom, and how it draws.
    #[command(flatten)]
    pub eval_args: EvalArgs,
    /// Folder of recordings; the folder that holds a file names its instrument.
    #[arg(long)]
    pub recordings: PathBuf,
    /// Recordings that are played, at most.
    #[arg(long, default_value_t = 24, value_parser = super::at_least_one)]
    pub items: usize,
    /// Seconds of each, from where it begins to sound.
    #[arg(long, default_value_t = 8.0, value_parser = super::seconds)]
    pub seconds: f32,
    /// DDIM step counts, a row each.
    #[arg(long, num_args = 1.., default_values_t = [1, 2, 10])]
    pub steps: Vec<usize>,
    /// Also writes the table, with an interval for every figure, as JSON.
    #[arg(long)]
    pub json: Option<PathBuf>,
}

/// What every output of one recording is compared with.
struct Reference {
    content: Audio,
    content_notes: Vec<Note>,
    style_image: MelImage,
    instrument: String,
}

/// Runs the evaluation and prints its table.
///
/// # Errors
/// As [`judge`], or if the JSON cannot be written.
pub fn run(args: &Args) -> Result<()> {
    let of = format!("recordings, {} s each", args.seconds);
    publish(&judge(args)?, &of, &args.eval_args.sampling, args.json.as_deref())
}

/// Judges every recording.
///
/// # Errors
/// If the folder holds fewer than two instruments, or a file cannot be read or is silent.
pub fn judge(args: &Args) -> Result<Table> {
    super::distinct("--steps", &args.steps)?;
    let sources = source_files::find(&args.recordings)?.files;
    let listener = AudioJudge::open(&args.eval_args)?;
    let every = sources.len().div_ceil(args.items).max(1);
    let numbers: Vec<usize> = (0..sources.len()).step_by(every).collect();
    let judged = numbers.par_iter().map(|&number| rows(&listener, args, &sources, number));
    let rows: Vec<_> = judged.collect::<Result<_>>()?;
    let mut table = Table::new(&COLUMNS, args.eval_args.sampling.seed);
    for (number, rows) in numbers.into_iter().zip(rows) {
        table.push_all(number, rows);
    }
    Ok(table)
}

/// What one recording adds to every row of the table.
fn rows(
    listener: &AudioJudge,
    args: &Args,
    sources: &[SourceFile],
    number: usize,
) -> Result<Vec<(String, Row)>> {
    let style = other_instrument(sources, number).ok_or_else(|| {
        let found = format!("{} alone", sources[number].instrument);
        Error::invalid("--recordings", "recordings of two instruments", found)
    })?;
    let (content, sound) =
        (excerpt(&sources[number], args.seconds)?, excerpt(style, args.seconds)?);
    let outputs = outputs(listener, args, &content, &sound)?;
    let reference = Reference {
        content_notes: listener.notes(&content)?,
        style_image: listener.image(&sound)?,
        instrument: style.instrument.clone(),
        content,
    };
    let measured = outputs
        .into_par_iter()
        .map(|(name, audio)| Ok((name, measured(listener, &audio, &reference)?)));
    measured.collect()
}

/// The next recording of another instrument, for each recording another one.
fn other_instrument(sources: &[SourceFile], number: usize) -> Option<&SourceFile> {
    let others: Vec<&SourceFile> =
        sources.iter().filter(|other| other.instrument != sources[number].instrument).collect();
    // Files are sorted by instrument: a stride that shares no factor with most counts visits all of
    // them.
    others.get(number * 7 % others.len().max(1)).copied()
}

/// The beginning of a recording, from its first sound.
fn excerpt(source: &SourceFile, seconds: f32) -> Result<Audio> {
    let audio =
        reference::read_seconds(Reader::open(&source.path)?, &source.file, f64::from(seconds))?;
    let sounds = |i: usize| audio.channels.iter().any(|c| c[i].abs() > 1e-3);
    let first = (0..audio.frames()).find(|&i| sounds(i)).unwrap_or(0);
    let last = (first + (seconds * audio.sample_rate_hz as f32) as usize).min(audio.frames());
    let channels = audio.channels.iter().map(|c| c[first..last].to_vec()).collect();
    Ok(Audio { channels, ..audio })
}

fn outputs(
    listener: &AudioJudge,
    args: &Args,
    content: &Audio,
    sound: &Audio,
) -> Result<Vec<(String, Audio)>> {
    let mut outputs = vec![
        ("the style's recording".to_string(), sound.clone()),
        ("content copy".into(), content.clone()),
        (
            "spectral-envelope match".into(),
            envelope::matched(content, &sound.at_rate(content.sample_rate_hz)?),
        ),
    ];
    for &steps in &args.steps {
        let settings = Settings { steps, ..args.eval_args.sampling.settings() };
        outputs.push((
            row_name(steps),
            listener.transferred(content, sound, &settings, LatencyMode::Quality)?,
        ));
    }
    Ok(outputs)
}

fn measured(listener: &AudioJudge, audio: &Audio, reference: &Reference) -> Result<Row> {
    let (image, range_db) = (listener.image(audio)?, listener.range_db());
    Ok(vec![
        ("notes", agreement(&reference.content_notes, &listener.notes(audio)?).f1()),
        ("chroma", chroma_cosine(audio, &reference.content)),
        ("timbre", timbre_distance_db(&image, &reference.style_image, range_db)),
        ("heard", listener.heard(audio, &reference.instrument)?),
    ])
}
