//! `trainer evaluate audio`: what a listener gets, beside baselines.
//!
//! Pieces of a split are recorded again in their setups ([`AudioRenderer`]), played through the very
//! stream of `cargo xtask transfer`, transcribed, and compared with the score and with the same
//! piece on the target instrument.

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
use super::seam::seam_flux;
use super::table::{Column, Form, Row, Table};
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
/// After so long a note of a plucked or struck instrument has decayed and a bowed one has not.
const SUSTAINED_S: f64 = 1.5;

/// The row that all others are compared with.
const TRUTH: &str = "true target";

/// The row of the content as it is.
const COPY: &str = "content copy";

/// The row of an equaliser.
const MATCHED: &str = "spectral-envelope match";

/// The row of the true target played once more: how near two recordings of the very same are.
const RETAKEN: &str = "true target, another take";

/// The row of what a producer does without a transfer: the content's notes, transcribed, on a
/// sampler. Here it is the target's own, behind its own recording chain, which no listener to the
/// content has.
const SAMPLED: &str = "transcribed content on the target's own sampler";

/// What the table says.
pub const COLUMNS: [Column; 14] = [
    Column::new("note F1 (95 %)", "note F1", Form::MeanInterval),
    Column::new("/ true target's", "note F1", Form::OfTruth),
    Column::new("unasked", "unasked", Form::Mean),
    Column::new("pitch JD", "JD", Form::Mean),
    Column::coarse("mel LSD, dB", "LSD", Form::Mean),
    Column::new("/ content copy's (95 %)", "LSD", Form::OfCopy),
    Column::new("timbre distance / content copy's (95 %)", "timbre", Form::OfCopy),
    Column::new("multi-resolution STFT", "MR-STFT", Form::Mean),
    Column::new("chroma", "chroma", Form::Mean),
    Column::new("heard as the target", "judged", Form::Mean),
    Column::coarse("level off, dB", "level", Form::Mean),
    Column::coarse("louder, dB", "louder", Form::Mean),
    Column::coarse("1.5 s after onsets, dB", "sustain", Form::Mean),
    Column::new("seam flux / true target's", "seam", Form::OfTruth),
];

/// Judges what a listener gets of a split's pieces: content and target on different instruments.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// What is judged, by whom, and how it draws.
    #[command(flatten)]
    pub eval_args: EvalArgs,
    /// Folder of a rendered dataset; its images are not needed.
    #[arg(long)]
    pub data: PathBuf,
    /// The SF2 soundfonts that it was rendered with.
    #[arg(long, num_args = 1.., required = true)]
    pub soundfonts: Vec<PathBuf>,
    /// Which of its pieces.
    #[arg(long, default_value = "test")]
    pub split: Split,
    /// Clips: pieces in turn, every ordered pair of instruments in turn.
    #[arg(long, default_value_t = 12, value_parser = super::at_least_one)]
    pub items: usize,
    /// Seconds of each piece.
    #[arg(long, default_value_t = 12.0, value_parser = super::seconds)]
    pub seconds: f32,
    /// DDIM step counts, a row each.
    #[arg(long, num_args = 1.., default_values_t = [1, 2, 4, 10])]
    pub steps: Vec<usize>,
    /// Without the rows of other latencies and of Griffin-Lim: more clips in the same time.
    #[arg(long)]
    pub brief: bool,
    /// What `--json` wrote of the same clips: the rows that no model made are taken from it, in
    /// two thirds of the time. The true target's is measured anew, and has to be the same.
    #[arg(long, value_name = "FILE")]
    pub baselines: Option<PathBuf>,
    /// Also writes the table, with an interval for every figure, as JSON.
    #[arg(long)]
    pub json: Option<PathBuf>,
}

/// One clip: what is played, on what, and as what.
struct Item {
    piece: usize,
    content: Sound,
    target: Sound,
    /// The piece that the style is taken from.
    style_piece: usize,
    /// An instrument that is neither the content's nor the target's, for the shuffled style.
    other: usize,
}

/// Everything that one evaluation needs.
struct Session<'a> {
    args: &'a Args,
    renderer: AudioRenderer,
    listener: AudioJudge,
    known: Option<Baselines>,
}

/// What is played and heard of one item before any model.
struct Rendering {
    score: Score,
    /// The style's.
    studied: Score,
    content: Audio,
    truth: Audio,
    style: Audio,
}

/// What every output of one item is compared with.
struct Reference<'a> {
    content: &'a Audio,
    truth: &'a Audio,
    truth_image: MelImage,
    truth_level_db: f64,
    truth_notes: Vec<Note>,
    asked: Vec<Note>,
    joins: Vec<Range<u64>>,
    instrument: String,
}

/// Runs the evaluation and prints its table.
pub fn run(args: &Args) -> Result<()> {
    let of = format!("clips of {} s of the {:?} split", args.seconds, args.split);
    publish(&judge(args)?, &of, &args.eval_args.sampling, args.json.as_deref())
}

/// Judges every clip.
///
/// # Errors
/// If a file cannot be read, the split has too few pieces, or a network fails.
pub fn judge(args: &Args) -> Result<Table> {
    super::distinct("--steps", &args.steps)?;
    let session = Session {
        args,
        renderer: AudioRenderer::open(&args.data, &args.soundfonts)?,
        listener: AudioJudge::open(&args.eval_args)?,
        known: (args.baselines.as_deref())
            .map(|path| Baselines::read(path, TRUTH, &[COPY, RETAKEN, MATCHED, SAMPLED]))
            .transpose()?,
    };
    let items = session.items()?;
    // Clips know nothing of each other: the table is the same on one core and on many.
    let rows: Vec<_> = items
        .par_iter()
        .enumerate()
        .map(|(clip, item)| session.rows(clip, item))
        .collect::<Result<_>>()?;
    let mut table = Table::new(&COLUMNS, args.eval_args.sampling.seed);
    for (item, rows) in items.iter().zip(rows) {
        table.push_all(item.piece, rows);
    }
    Ok(table)
}

impl Session<'_> {
    fn pieces(&self) -> Vec<usize> {
        let pieces = self.renderer.description().pieces.iter().enumerate();
        pieces.filter(|(_, p)| p.split == self.args.split).map(|(i, _)| i).collect()
    }

    fn items(&self) -> Result<Vec<Item>> {
        let pieces = self.pieces();
        let instruments = self.renderer.description().instruments.len();
        let players = pieces.iter().map(|piece| self.players(*piece).len()).min().unwrap_or(0);
        if pieces.len() < 2 || players < 3 {
            let found = format!("{} pieces on {players} instruments", pieces.len());
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
    fn players(&self, piece: usize) -> Vec<usize> {
        let description = self.renderer.description();
        description.instruments_of(&description.pieces[piece])
    }

    /// The next of all pairs that the item's piece has.
    fn item(&self, number: usize, pieces: &[usize], pairs: &[(usize, usize)]) -> Item {
        let rng =
            &mut random::stream(self.args.eval_args.sampling.seed, "audio item", number as u64);
        let piece = pieces[number % pieces.len()];
        let players = self.players(piece);
        let mut next = pairs.iter().cycle().skip(number % pairs.len());
        let played =
            |pair: &&(usize, usize)| players.contains(&pair.0) && players.contains(&pair.1);
        let &(from, to) = next.find(played).expect("a piece of three instruments");
        let setups = self.renderer.description().pieces[piece].setups;
        let [content, target] = [from, to]
            .map(|instrument| Sound { setup: setups[rng.random_range(0..2)], instrument });
        let style = (number + rng.random_range(1..pieces.len())) % pieces.len();
        let others: Vec<usize> = players.into_iter().filter(|i| ![from, to].contains(i)).collect();
        Item {
            piece,
            content,
            target,
            style_piece: pieces[style],
            other: others[rng.random_range(0..others.len())],
        }
    }

    /// What one item, a clip of that number, adds to every row of the table.
    fn rows(&self, clip: usize, item: &Item) -> Result<Vec<(String, Row)>> {
        let take = self.take(item)?;
        let reference = self.reference(item, &take)?;
        let mut outputs = match &self.known {
            None => self.baselines(item, &take)?,
            Some(_) => Vec::new(),
        };
        outputs.extend(self.outputs(item, &take)?);
        let measured = outputs.into_par_iter().map(|(name, audio)| {
            Ok((name, self.measured(&audio, &self.listener.notes(&audio)?, &reference)?))
        });
        let measured: Vec<(String, Row)> = measured.collect::<Result<_>>()?;
        let truth = self.measured(&take.truth, &reference.truth_notes, &reference)?;
        let known = match &self.known {
            Some(known) => known.of_clip(clip, item.piece, &truth)?,
            None => Vec::new(),
        };
        Ok(std::iter::once((TRUTH.to_string(), truth)).chain(known).chain(measured).collect())
    }

    fn record(&self, score: &Score, sound: Sound, take: u64) -> Result<Audio> {
        self.renderer.record(score, sound.setup, sound.instrument, take)
    }

    fn take(&self, item: &Item) -> Result<Rendering> {
        let score = self.renderer.score(item.piece, self.args.seconds)?;
        let studied = self.renderer.score(item.style_piece, self.args.seconds)?;
        Ok(Rendering {
            content: self.record(&score, item.content, 0)?,
            truth: self.record(&score, item.target, 0)?,
            style: self.record(&studied, item.target, 0)?,
            score,
            studied,
        })
    }

    /// The audio of the rows that no model makes, but the true target's; the first is the content.
    fn baselines(&self, item: &Item, take: &Rendering) -> Result<Vec<(String, Audio)>> {
        let Rendering { score, content, style, .. } = take;
        let rng = &mut random::stream(self.args.eval_args.sampling.seed, "take", item.piece as u64);
        let retaken = self.record(&variation::vary(score, rng), item.target, 1)?;
        let heard = Score { length_s: score.length_s, ..self.listener.score(content)? };
        Ok(vec![
            (COPY.into(), content.clone()),
            (RETAKEN.into(), retaken),
            (MATCHED.into(), envelope::matched(content, style)),
            // Another recording than the truth's: the same noise would bring it nearer than any
            // sampler is.
            (SAMPLED.into(), self.record(&heard, item.target, 2)?),
        ])
    }

    /// The audio of the rows that the model makes.
    fn outputs(&self, item: &Item, take: &Rendering) -> Result<Vec<(String, Audio)>> {
        let Rendering { content, truth, style, .. } = take;
        let other =
            self.record(&take.studied, Sound { instrument: item.other, ..item.target }, 0)?;
        let ceiling = ceiling::played(self.listener.networks(), content, truth)?;
        let mut outputs = vec![("autoencoder and vocoder on the true target".to_string(), ceiling)];
        let settings = self.args.eval_args.sampling.settings();
        let mut play =
            |name: String, style: &Audio, settings: &Settings, mode: LatencyMode| -> Result<()> {
                outputs.push((name, self.listener.transferred(content, style, settings, mode)?));
                Ok(())
            };
        for &steps in &self.args.steps {
            let settings = Settings { steps, ..settings.clone() };
            play(row_name(steps), style, &settings, LatencyMode::Quality)?;
        }
        if !self.args.brief {
            for (name, mode) in [("Balanced", LatencyMode::Balanced), ("Live", LatencyMode::Live)] {
                play(format!("Luthier, {name}"), style, &settings, mode)?;
            }
            let plain = Settings { vocoder: VocoderKind::GriffinLim, ..settings.clone() };
            play("Luthier, Griffin-Lim".into(), style, &plain, LatencyMode::Quality)?;
        }
        play(
            "Luthier, another instrument's style".into(),
            &other,
            &settings,
            LatencyMode::Quality,
        )?;
        Ok(outputs)
    }

    fn reference<'a>(&self, item: &Item, take: &'a Rendering) -> Result<Reference<'a>> {
        let Rendering { score, content, truth, .. } = take;
        let heard = score.notes.iter().filter(|n| n.onset_s < self.args.seconds - SHORTEST_NOTE_S);
        let grid = engine::pipeline::grid(self.listener.playable.config(), content.sample_rate_hz)?;
        let joins =
            (1..).map(|k| grid.overlap(k)).take_while(|join| join.end < content.frames() as u64);
        Ok(Reference {
            content,
            truth,
            truth_image: self.listener.image(truth)?,
            truth_level_db: loudness_db(truth),
            truth_notes: self.listener.notes(truth)?,
            asked: heard.map(Note::from).collect(),
            joins: joins.collect(),
            instrument: self.renderer.description().instruments[item.target.instrument].clone(),
        })
    }

    fn measured(&self, audio: &Audio, notes: &[Note], reference: &Reference) -> Result<Row> {
        let agreed = agreement(&reference.asked, notes);
        let (image, range_db) = (self.listener.image(audio)?, self.listener.range_db());
        let louder_db = loudness_db(audio) - reference.truth_level_db;
        // Where no note was transcribed, none is played.
        let sounds = audio.channels.iter().flatten().any(|x| *x != 0.0);
        let judged = if sounds { self.listener.heard(audio, &reference.instrument)? } else { 0.0 };
        let seam = if sounds { seam_flux(audio, &reference.joins) } else { f64::NAN };
        Ok(vec![
            ("note F1", agreed.f1()),
            ("unasked", agreed.unasked()),
            ("JD", pitch_jaccard_distance(notes, &reference.truth_notes)),
            ("LSD", level_free_distance_db(&image, &reference.truth_image, range_db)),
            ("timbre", timbre_distance_db(&image, &reference.truth_image, range_db)),
            ("MR-STFT", MultiResolution::default().compare(&audio.mono(), &reference.truth.mono())),
            ("chroma", chroma_cosine(audio, reference.content)),
            ("judged", judged),
            ("level", louder_db.abs()),
            ("louder", louder_db),
            ("sustain", sustain_error_db(audio, &reference.asked, reference.truth)),
            ("seam", seam),
        ])
    }
}

/// How far the level 1.5 s into long notes is from the true target's, in dB; NaN without such
/// notes. Notes that the clip cuts before are none: beyond its end both are silent.
fn sustain_error_db(audio: &Audio, asked: &[Note], truth: &Audio) -> f64 {
    let end_s = truth.frames() as f64 / f64::from(truth.sample_rate_hz);
    let heard =
        |note: &&Note| note.onset_s + SUSTAINED_S + f64::from(LEVEL_S) < note.offset_s.min(end_s);
    let long = asked.iter().filter(heard);
    let level =
        |audio: &Audio, at_s: f64| level_db(&audio.channels, at_s as f32, audio.sample_rate_hz);
    let errors = long.map(|note| {
        let at_s = note.onset_s + SUSTAINED_S;
        (level(audio, at_s) - level(truth, at_s)).abs()
    });
    let (sum, count) = errors.fold((0.0, 0u32), |(sum, count), error| (sum + error, count + 1));
    sum / f64::from(count)
}

/// RMS of a whole recording in dB of full scale.
fn loudness_db(audio: &Audio) -> f64 {
    let power: f64 = audio.channels.iter().flatten().map(|x| f64::from(*x).powi(2)).sum();
    10.0 * (power / (audio.frames() * audio.channels.len()).max(1) as f64 + SILENCE).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two seconds of a tone that falls by 20 dB after one.
    fn tone(gain: f32) -> Audio {
        let sample = |i: usize| {
            let t = i as f32 / 8000.0;
            gain * if t < 1.0 { 1.0 } else { 0.1 } * (std::f32::consts::TAU * 440.0 * t).sin()
        };
        Audio { sample_rate_hz: 8000, channels: vec![(0..16_000).map(sample).collect()] }
    }

    #[test]
    fn a_note_that_the_clip_cuts_before_its_level_is_looked_at_is_no_long_note() {
        let note = |onset_s: f64, duration_s: f64| Note {
            onset_s,
            offset_s: onset_s + duration_s,
            pitch: 69.0,
        };
        let (truth, louder) = (tone(0.5), tone(0.25));
        let error = |notes: &[Note]| sustain_error_db(&louder, notes, &truth);
        assert!((error(&[note(0.1, 1.9)]) - 6.02).abs() < 0.05);
        assert!((error(&[note(0.1, 1.9), note(1.0, 3.0), note(0.45, 3.0)]) - 6.02).abs() < 0.05);
        assert!(
            error(&[note(1.0, 3.0)]).is_nan(),
            "beyond the end both are silent, which says nothing"
        );
        assert!(error(&[note(0.1, 1.0)]).is_nan(), "a short one");
    }
}
