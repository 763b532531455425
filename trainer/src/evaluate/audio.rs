//! `trainer evaluate audio`: audio of the complete chain, with baselines.
//!
//! Pieces of a split are rendered again in their setups ([`AudioRenderer`]) and processed with the stream
//! of `cargo xtask transfer`. The output is transcribed and compared with the score and with the
//! same piece on the target instrument.

use std::ops::Range;
use std::path::PathBuf;

use engine::audio_file::Audio;
use engine::image::MelImage;
use engine::latency_mode::LatencyMode;
use engine::settings::{Settings, VocoderKind};
use engine::{Error, Result};
use rand::Rng;
use rand::seq::SliceRandom;
use rayon::prelude::*;

use super::audio_judge::AudioJudge;
use super::baselines::Baselines;
use super::chroma::chroma_cosine;
use super::distance::{LEVEL_S, MultiResolution, level_db};
use super::eval_args::EvalArgs;
use super::noise::noise_to_partials_db;
use super::seam::seam_flux;
use super::table::{Column, Form, Measures, Table};
use super::timbre::timbre_distance_db;
use super::{ceiling, envelope, publish, row_name};
use crate::data::dataset::audio_renderer::AudioRenderer;
use crate::data::dataset::{Sound, Split};
use crate::data::random;
use crate::data::score::{Score, variation};
use crate::level_free::level_free_distance_db;
use crate::transcription::agreement::{agreement, pitch_jaccard_distance};
use crate::transcription::{Note, SHORTEST_NOTE_S};

/// Keeps the level of silence finite, -120 dB.
const SILENCE: f64 = 1e-12;
/// Time after an onset when a plucked or struck note has decayed and a bowed note has not.
const SUSTAINED_S: f64 = 1.5;

/// Row of the true target, with which all others are compared.
const TRUTH: &str = "true target";

/// Row of the unchanged content.
const COPY: &str = "content copy";

/// Row of a match equaliser.
const MATCHED: &str = "spectral-envelope match";

/// Row of the true target rendered again: the distance of two recordings of the same piece.
const ANOTHER_TAKE: &str = "true target, another take";

/// Row of a method without transfer: the content's transcribed notes on a sampler. The sampler and
/// the recording chain are the target's own, which a user does not have.
const SAMPLED: &str = "transcribed content on the target's own sampler";

/// Columns of the table.
pub const COLUMNS: [Column; 15] = [
    Column::new("note F1 (95 %)", "note F1", Form::MeanInterval),
    Column::new("/ true target's", "note F1", Form::OfTruth),
    Column::new("extra notes", "unasked", Form::Mean),
    Column::new("pitch JD", "JD", Form::Mean),
    Column::coarse("mel LSD, dB", "LSD", Form::Mean),
    Column::new("/ content copy's (95 %)", "LSD", Form::OfCopy),
    Column::new("timbre distance / content copy's (95 %)", "timbre", Form::OfCopy),
    Column::new("multi-resolution STFT", "MR-STFT", Form::Mean),
    Column::new("chroma", "chroma", Form::Mean),
    Column::new("classified as target", "judged", Form::Mean),
    Column::coarse("level error, dB", "level", Form::Mean),
    Column::coarse("louder, dB", "louder", Form::Mean),
    Column::coarse("1.5 s after onsets, dB", "sustain", Form::Mean),
    Column::coarse("noise to partials, dB", "noise", Form::Mean),
    Column::new("seam flux / true target's", "seam", Form::OfTruth),
];

/// Evaluates audio clips of a split, with content and target on different instruments.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Model, judge and sampler.
    #[command(flatten)]
    pub eval_args: EvalArgs,
    /// Folder of a rendered dataset. Its images are not needed.
    #[arg(long)]
    pub data: PathBuf,
    /// The SF2 soundfonts of the dataset.
    #[arg(long, num_args = 1.., required = true)]
    pub soundfonts: Vec<PathBuf>,
    /// Split of the dataset.
    #[arg(long, default_value = "test")]
    pub split: Split,
    /// Number of clips. Pieces and ordered pairs of instruments take turns.
    #[arg(long, default_value_t = 12, value_parser = super::at_least_one)]
    pub items: usize,
    /// Seconds of each piece.
    #[arg(long, default_value_t = 12.0, value_parser = super::seconds)]
    pub seconds: f32,
    /// DDIM step counts, one row each.
    #[arg(long, num_args = 1.., default_values_t = [1, 2, 4, 10])]
    pub steps: Vec<usize>,
    /// Omit the rows of the other latency modes and of Griffin-Lim, for more clips in the same
    /// time.
    #[arg(long)]
    pub brief: bool,
    /// File of `--json` with the same clips. Rows that do not depend on the model are read from it.
    /// The true target is measured again and must be equal.
    #[arg(long, value_name = "FILE")]
    pub baselines: Option<PathBuf>,
    /// Write the table with an interval for every figure as JSON to this file.
    #[arg(long)]
    pub json: Option<PathBuf>,
}

/// One clip: piece, content, target and style.
struct Item {
    piece: usize,
    content: Sound,
    target: Sound,
    /// Piece of the style.
    style_piece: usize,
    /// Another instrument than content and target, for the row with a wrong style.
    other: usize,
}

/// State of one evaluation.
struct ClipEvaluator<'a> {
    args: &'a Args,
    renderer: AudioRenderer,
    judge: AudioJudge,
    saved: Option<Baselines>,
}

/// Scores and recordings of one item.
struct ItemAudio {
    score: Score,
    /// Score of the style.
    style_score: Score,
    content: Audio,
    truth: Audio,
    style: Audio,
}

/// Reference values for the outputs of one item.
struct Reference<'a> {
    content: &'a Audio,
    truth: &'a Audio,
    truth_image: MelImage,
    truth_level_db: f64,
    truth_notes: Vec<Note>,
    score_notes: Vec<Note>,
    joins: Vec<Range<u64>>,
    instrument: String,
}

/// Runs the evaluation and prints its table.
pub fn run(args: &Args) -> Result<()> {
    let title = format!("clips of {} s of the {} split", args.seconds, args.split.name());
    publish(&evaluate(args)?, &title, &args.eval_args.sampling, args.json.as_deref())
}

/// Evaluates every clip.
///
/// # Errors
/// If a file cannot be read, the split has too few pieces, or a network fails.
pub fn evaluate(args: &Args) -> Result<Table> {
    super::distinct("--steps", &args.steps)?;
    let evaluator = ClipEvaluator {
        args,
        renderer: AudioRenderer::open(&args.data, &args.soundfonts)?,
        judge: AudioJudge::open(&args.eval_args)?,
        saved: (args.baselines.as_deref())
            .map(|path| Baselines::read(path, TRUTH, &[COPY, ANOTHER_TAKE, MATCHED, SAMPLED]))
            .transpose()?,
    };
    let items = evaluator.items()?;
    // Clips are independent, so the table does not depend on the number of threads.
    let rows: Vec<_> = items
        .par_iter()
        .enumerate()
        .map(|(clip, item)| evaluator.rows(clip, item))
        .collect::<Result<_>>()?;
    let mut table = Table::new(&COLUMNS, args.eval_args.sampling.seed);
    for (item, rows) in items.iter().zip(rows) {
        table.push_all(item.piece, rows);
    }
    Ok(table)
}

impl ClipEvaluator<'_> {
    fn pieces(&self) -> Vec<usize> {
        let pieces = self.renderer.description().pieces.iter().enumerate();
        pieces.filter(|(_, p)| p.split == self.args.split).map(|(i, _)| i).collect()
    }

    fn items(&self) -> Result<Vec<Item>> {
        let pieces = self.pieces();
        let instruments = self.renderer.description().instruments.len();
        let fewest =
            pieces.iter().map(|piece| self.instruments_of_piece(*piece).len()).min().unwrap_or(0);
        if pieces.len() < 2 || fewest < 3 {
            let found = format!("{} pieces on {fewest} instruments", pieces.len());
            return Err(Error::invalid("--data", "2 pieces of the split on 3 instruments", found));
        }
        let all = (0..instruments).flat_map(|a| (0..instruments).map(move |b| (a, b)));
        let mut pairs: Vec<(usize, usize)> = all.filter(|(a, b)| a != b).collect();
        pairs.shuffle(&mut random::stream(
            self.args.eval_args.sampling.seed,
            "instrument pairs",
            0,
        ));
        Ok((0..self.args.items).map(|i| self.item(i, &pieces, &pairs)).collect())
    }

    /// The instruments of a piece.
    fn instruments_of_piece(&self, piece: usize) -> Vec<usize> {
        let description = self.renderer.description();
        description.instruments_of(&description.pieces[piece])
    }

    /// The next instrument pair that the item's piece contains.
    fn item(&self, number: usize, pieces: &[usize], pairs: &[(usize, usize)]) -> Item {
        let rng =
            &mut random::stream(self.args.eval_args.sampling.seed, "audio item", number as u64);
        let piece = pieces[number % pieces.len()];
        let available = self.instruments_of_piece(piece);
        let mut next = pairs.iter().cycle().skip(number % pairs.len());
        let contains =
            |pair: &&(usize, usize)| available.contains(&pair.0) && available.contains(&pair.1);
        let &(from, to) = next.find(contains).expect("a piece of three instruments");
        let setups = self.renderer.description().pieces[piece].setups;
        let [content, target] = [from, to]
            .map(|instrument| Sound { setup: setups[rng.random_range(0..2)], instrument });
        let style = (number + rng.random_range(1..pieces.len())) % pieces.len();
        let others: Vec<usize> =
            available.into_iter().filter(|i| ![from, to].contains(i)).collect();
        Item {
            piece,
            content,
            target,
            style_piece: pieces[style],
            other: others[rng.random_range(0..others.len())],
        }
    }

    /// The measures of one clip, by row.
    fn rows(&self, clip: usize, item: &Item) -> Result<Vec<(String, Measures)>> {
        let audio = self.item_audio(item)?;
        let reference = self.reference(item, &audio)?;
        let mut outputs = match &self.saved {
            None => self.baselines(item, &audio)?,
            Some(_) => Vec::new(),
        };
        outputs.extend(self.outputs(item, &audio)?);
        let measured = outputs.into_par_iter().map(|(name, audio)| {
            Ok((name, self.measure(&audio, &self.judge.notes(&audio)?, &reference)?))
        });
        let measured: Vec<(String, Measures)> = measured.collect::<Result<_>>()?;
        let truth = self.measure(&audio.truth, &reference.truth_notes, &reference)?;
        let saved = match &self.saved {
            Some(saved) => saved.rows_for_clip(clip, item.piece, &truth)?,
            None => Vec::new(),
        };
        Ok(std::iter::once((TRUTH.to_string(), truth)).chain(saved).chain(measured).collect())
    }

    fn record(&self, score: &Score, sound: Sound, take: u64) -> Result<Audio> {
        self.renderer.record(score, sound.setup, sound.instrument, take)
    }

    fn item_audio(&self, item: &Item) -> Result<ItemAudio> {
        let score = self.renderer.score(item.piece, self.args.seconds)?;
        let style_score = self.renderer.score(item.style_piece, self.args.seconds)?;
        Ok(ItemAudio {
            content: self.record(&score, item.content, 0)?,
            truth: self.record(&score, item.target, 0)?,
            style: self.record(&style_score, item.target, 0)?,
            score,
            style_score,
        })
    }

    /// Audio of the rows that do not depend on the model, except the true target. The first is the
    /// content.
    fn baselines(&self, item: &Item, audio: &ItemAudio) -> Result<Vec<(String, Audio)>> {
        let ItemAudio { score, content, style, .. } = audio;
        let rng = &mut random::stream(self.args.eval_args.sampling.seed, "take", item.piece as u64);
        let retaken = self.record(&variation::vary(score, rng), item.target, 1)?;
        let transcribed = Score { length_s: score.length_s, ..self.judge.score(content)? };
        Ok(vec![
            (COPY.into(), content.clone()),
            (ANOTHER_TAKE.into(), retaken),
            (MATCHED.into(), envelope::match_envelope(content, style)),
            // A recording number of its own: with the truth's noise the distance would be too
            // small.
            (SAMPLED.into(), self.record(&transcribed, item.target, 2)?),
        ])
    }

    /// Audio of the rows that depend on the model.
    fn outputs(&self, item: &Item, audio: &ItemAudio) -> Result<Vec<(String, Audio)>> {
        let ItemAudio { content, truth, style, .. } = audio;
        let other =
            self.record(&audio.style_score, Sound { instrument: item.other, ..item.target }, 0)?;
        let ceiling = ceiling::render_ceiling(self.judge.networks(), content, truth)?;
        let mut outputs = vec![("autoencoder and vocoder on the true target".to_string(), ceiling)];
        let settings = self.args.eval_args.sampling.settings();
        let mut add =
            |name: String, style: &Audio, settings: &Settings, mode: LatencyMode| -> Result<()> {
                outputs.push((name, self.judge.transfer(content, style, settings, mode)?));
                Ok(())
            };
        for &steps in &self.args.steps {
            let settings = Settings { steps, ..settings.clone() };
            add(row_name(steps), style, &settings, LatencyMode::Quality)?;
        }
        if !self.args.brief {
            for (name, mode) in [("Balanced", LatencyMode::Balanced), ("Live", LatencyMode::Live)] {
                add(format!("Luthier, {name}"), style, &settings, mode)?;
            }
            let plain = Settings { vocoder: VocoderKind::GriffinLim, ..settings.clone() };
            add("Luthier, Griffin-Lim".into(), style, &plain, LatencyMode::Quality)?;
        }
        add("Luthier, another instrument's style".into(), &other, &settings, LatencyMode::Quality)?;
        Ok(outputs)
    }

    fn reference<'a>(&self, item: &Item, audio: &'a ItemAudio) -> Result<Reference<'a>> {
        let ItemAudio { score, content, truth, .. } = audio;
        let complete =
            score.notes.iter().filter(|n| n.onset_s < self.args.seconds - SHORTEST_NOTE_S);
        let grid = engine::pipeline::grid(self.judge.model.config(), content.sample_rate_hz)?;
        let joins =
            (1..).map(|k| grid.overlap(k)).take_while(|join| join.end < content.frames() as u64);
        Ok(Reference {
            content,
            truth,
            truth_image: self.judge.image(truth)?,
            truth_level_db: loudness_db(truth),
            truth_notes: self.judge.notes(truth)?,
            score_notes: complete.map(Note::from).collect(),
            joins: joins.collect(),
            instrument: self.renderer.description().instruments[item.target.instrument].clone(),
        })
    }

    fn measure(&self, audio: &Audio, notes: &[Note], reference: &Reference) -> Result<Measures> {
        let agreement = agreement(&reference.score_notes, notes);
        let (image, range_db) = (self.judge.image(audio)?, self.judge.range_db());
        let louder_db = loudness_db(audio) - reference.truth_level_db;
        // Without a transcribed note the sampler's row is silent.
        let sounds = audio.channels.iter().flatten().any(|x| *x != 0.0);
        let is_target =
            if sounds { self.judge.is_classified_as(audio, &reference.instrument)? } else { 0.0 };
        let seam = if sounds { seam_flux(audio, &reference.joins) } else { f64::NAN };
        Ok(vec![
            ("note F1", agreement.f1()),
            ("unasked", agreement.extra()),
            ("JD", pitch_jaccard_distance(notes, &reference.truth_notes)),
            ("LSD", level_free_distance_db(&image, &reference.truth_image, range_db)),
            ("timbre", timbre_distance_db(&image, &reference.truth_image, range_db)),
            ("MR-STFT", MultiResolution::default().compare(&audio.mono(), &reference.truth.mono())),
            ("chroma", chroma_cosine(audio, reference.content)),
            ("judged", is_target),
            ("level", louder_db.abs()),
            ("louder", louder_db),
            ("sustain", sustain_error_db(audio, &reference.score_notes, reference.truth)),
            ("noise", noise_to_partials_db(audio)),
            ("seam", seam),
        ])
    }
}

/// Absolute level difference from the true target 1.5 s after the onsets of long notes, in dB; NaN
/// without such notes. Notes that the clip cuts before that are left out, because both recordings
/// end there.
fn sustain_error_db(audio: &Audio, score_notes: &[Note], truth: &Audio) -> f64 {
    let end_s = truth.frames() as f64 / f64::from(truth.sample_rate_hz);
    let is_long =
        |note: &&Note| note.onset_s + SUSTAINED_S + f64::from(LEVEL_S) < note.offset_s.min(end_s);
    let long = score_notes.iter().filter(is_long);
    let level =
        |audio: &Audio, at_s: f64| level_db(&audio.channels, at_s as f32, audio.sample_rate_hz);
    let errors = long.map(|note| {
        let at_s = note.onset_s + SUSTAINED_S;
        (level(audio, at_s) - level(truth, at_s)).abs()
    });
    let (sum, count) = errors.fold((0.0, 0u32), |(sum, count), error| (sum + error, count + 1));
    sum / f64::from(count)
}

/// RMS level of a recording in dBFS.
fn loudness_db(audio: &Audio) -> f64 {
    let power: f64 = audio.channels.iter().flatten().map(|x| f64::from(*x).powi(2)).sum();
    10.0 * (power / (audio.frames() * audio.channels.len()).max(1) as f64 + SILENCE).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tone of 2 s that falls by 20 dB after 1 s.
    fn tone(gain: f32) -> Audio {
        let sample = |i: usize| {
            let t = i as f32 / 8000.0;
            gain * if t < 1.0 { 1.0 } else { 0.1 } * (std::f32::consts::TAU * 440.0 * t).sin()
        };
        Audio { sample_rate_hz: 8000, channels: vec![(0..16_000).map(sample).collect()] }
    }

    #[test]
    fn notes_that_the_clip_cuts_are_not_measured() {
        let note = |onset_s: f64, duration_s: f64| Note {
            onset_s,
            offset_s: onset_s + duration_s,
            pitch: 69.0,
        };
        let (truth, louder) = (tone(0.5), tone(0.25));
        let error = |notes: &[Note]| sustain_error_db(&louder, notes, &truth);
        assert!((error(&[note(0.1, 1.9)]) - 6.02).abs() < 0.05);
        assert!((error(&[note(0.1, 1.9), note(1.0, 3.0), note(0.45, 3.0)]) - 6.02).abs() < 0.05);
        assert!(error(&[note(1.0, 3.0)]).is_nan(), "both recordings end before the measurement");
        assert!(error(&[note(0.1, 1.0)]).is_nan(), "a short note");
    }
}
