//! `trainer evaluate recordings`: transfers each recording of a folder to the sound of another
//! instrument's recording.
//!
//! No true target exists. The table shows whether the content's notes are still present, whether
//! the timbre moved towards the style, and how the judge classifies the output. The first row,
//! instead of the truth, is the style's recording itself. It contains other notes.

use std::path::PathBuf;

use engine::audio_file::{Audio, Reader};
use engine::image::MelImage;
use engine::latency_mode::LatencyMode;
use engine::settings::Settings;
use engine::{Error, Result};
use rayon::prelude::*;

use super::audio_judge::AudioJudge;
use super::chroma::chroma_cosine;
use super::eval_args::EvalArgs;
use super::table::{Column, Form, Measures, Table};
use super::timbre::timbre_distance_db;
use super::{envelope, publish, row_name};
use crate::data::source_files::{self, SourceFile};
use crate::transcription::Note;
use crate::transcription::agreement::agreement;

/// Columns of the table.
pub const COLUMNS: [Column; 5] = [
    Column::new("note F1 against the content (95 %)", "notes", Form::MeanInterval),
    Column::new("chroma against the content", "chroma", Form::Mean),
    Column::coarse("timbre distance to the style, dB", "timbre", Form::Mean),
    Column::new("/ content's (95 %)", "timbre", Form::OfCopy),
    Column::new("classified as target", "heard", Form::Mean),
];

/// Evaluates a model on a folder of recordings, `<instrument>/<file>`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Model, judge and sampler.
    #[command(flatten)]
    pub eval_args: EvalArgs,
    /// Folder of recordings. The parent folder of a file names its instrument.
    #[arg(long)]
    pub recordings: PathBuf,
    /// Maximum number of recordings.
    #[arg(long, default_value_t = 24, value_parser = super::at_least_one)]
    pub items: usize,
    /// Seconds of each recording, from its first sound.
    #[arg(long, default_value_t = 8.0, value_parser = super::seconds)]
    pub seconds: f32,
    /// DDIM step counts, one row each.
    #[arg(long, num_args = 1.., default_values_t = [1, 2, 10])]
    pub steps: Vec<usize>,
    /// Write the table with an interval for every figure as JSON to this file.
    #[arg(long)]
    pub json: Option<PathBuf>,
}

/// Reference values for the outputs of one recording.
struct Reference {
    content: Audio,
    content_notes: Vec<Note>,
    style_image: MelImage,
    instrument: String,
}

/// Runs the evaluation and prints its table.
///
/// # Errors
/// As [`evaluate`], or if the JSON cannot be written.
pub fn run(args: &Args) -> Result<()> {
    let title = format!("recordings, {} s each", args.seconds);
    publish(&evaluate(args)?, &title, &args.eval_args.sampling, args.json.as_deref())
}

/// Evaluates every recording.
///
/// # Errors
/// If the folder contains fewer than two instruments, or a file cannot be read or is silent.
pub fn evaluate(args: &Args) -> Result<Table> {
    super::distinct("--steps", &args.steps)?;
    let sources = source_files::find(&args.recordings)?.files;
    let judge = AudioJudge::open(&args.eval_args)?;
    let every = sources.len().div_ceil(args.items).max(1);
    let numbers: Vec<usize> = (0..sources.len()).step_by(every).collect();
    let measured = numbers.par_iter().map(|&number| rows(&judge, args, &sources, number));
    let rows: Vec<_> = measured.collect::<Result<_>>()?;
    let mut table = Table::new(&COLUMNS, args.eval_args.sampling.seed);
    for (number, rows) in numbers.into_iter().zip(rows) {
        table.push_all(number, rows);
    }
    Ok(table)
}

/// The measures of one recording, by row.
fn rows(
    judge: &AudioJudge,
    args: &Args,
    sources: &[SourceFile],
    number: usize,
) -> Result<Vec<(String, Measures)>> {
    let style = other_instrument(sources, number).ok_or_else(|| {
        let found = format!("{} alone", sources[number].instrument);
        Error::invalid("--recordings", "recordings of two instruments", found)
    })?;
    let (content, sound) =
        (excerpt(&sources[number], args.seconds)?, excerpt(style, args.seconds)?);
    let outputs = outputs(judge, args, &content, &sound)?;
    let reference = Reference {
        content_notes: judge.notes(&content)?,
        style_image: judge.image(&sound)?,
        instrument: style.instrument.clone(),
        content,
    };
    let measured = outputs
        .into_par_iter()
        .map(|(name, audio)| Ok((name, measure(judge, &audio, &reference)?)));
    measured.collect()
}

/// A recording of another instrument, varied by `number`.
fn other_instrument(sources: &[SourceFile], number: usize) -> Option<&SourceFile> {
    let others: Vec<&SourceFile> =
        sources.iter().filter(|other| other.instrument != sources[number].instrument).collect();
    // Files are sorted by instrument. A stride of 7 visits all of them unless their count is a
    // multiple of 7.
    others.get(number * 7 % others.len().max(1)).copied()
}

/// The first seconds of a recording, from its first sound.
fn excerpt(source: &SourceFile, seconds: f32) -> Result<Audio> {
    let mut reader = Reader::open(&source.path)?;
    let sample_rate_hz = reader.sample_rate_hz();
    let longest = (seconds * sample_rate_hz as f32) as usize;
    let mut audio = Audio { sample_rate_hz, channels: vec![Vec::new(); reader.channels()] };
    while audio.frames() < longest
        && let Some(block) = reader.read()?
    {
        let sounds = |i: &usize| block.iter().any(|channel| channel[*i].abs() > 1e-3);
        let first = if audio.frames() > 0 { Some(0) } else { (0..block[0].len()).find(sounds) };
        let Some(first) = first else { continue };
        for (channel, samples) in audio.channels.iter_mut().zip(block) {
            channel.extend(samples[first..].iter().take(longest - channel.len()));
        }
    }
    if audio.frames() == 0 {
        return Err(Error::file(&source.file, "expected an audible recording, found silence"));
    }
    Ok(audio)
}

fn outputs(
    judge: &AudioJudge,
    args: &Args,
    content: &Audio,
    sound: &Audio,
) -> Result<Vec<(String, Audio)>> {
    let mut outputs = vec![
        ("the style's recording".to_string(), sound.clone()),
        ("content copy".into(), content.clone()),
        (
            "spectral-envelope match".into(),
            envelope::match_envelope(content, &sound.at_rate(content.sample_rate_hz)?),
        ),
    ];
    for &steps in &args.steps {
        let settings = Settings { steps, ..args.eval_args.sampling.settings() };
        outputs.push((
            row_name(steps),
            judge.transfer(content, sound, &settings, LatencyMode::Quality)?,
        ));
    }
    Ok(outputs)
}

fn measure(judge: &AudioJudge, audio: &Audio, reference: &Reference) -> Result<Measures> {
    let (image, range_db) = (judge.image(audio)?, judge.range_db());
    Ok(vec![
        ("notes", agreement(&reference.content_notes, &judge.notes(audio)?).f1()),
        ("chroma", chroma_cosine(audio, &reference.content)),
        ("timbre", timbre_distance_db(&image, &reference.style_image, range_db)),
        ("heard", judge.is_classified_as(audio, &reference.instrument)?),
    ])
}
