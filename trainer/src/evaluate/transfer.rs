//! `trainer evaluate transfer`: what the model makes of pieces that it never saw, beside baselines.
//!
//! Judged on the model's images, before the vocoder: [`super::vocoder`] measures what comes after,
//! [`super::audio`] all of it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use engine::checkpoint::Checkpoint;
use engine::image::MelImage;
use engine::inference_model::InferenceModel;
use engine::models::model::Model;
use engine::nn::packed::Packed;
use engine::settings::Settings;
use engine::{Error, Result};
use rayon::prelude::*;

use super::bootstrap::mean;
use super::direction::{self, Direction};
use super::eval_args::EvalArgs;
use super::model_runner::ModelRunner;
use super::modulation::fast_modulation_db;
use super::residual::{self, Residual};
use super::sampling::Sampling;
use super::table::{Column, Form, Row, Table};
use super::texture::{self, Texture};
use super::timbre::timbre_distance_db;
use super::{publish, row_name};
use crate::classifier::Judge;
use crate::data::dataset::pairs::SpectrogramPairDataset;
use crate::data::dataset::{ImageRef, ImageSet, Pair, SpectrogramDataset, Split};
use crate::data::random;
use crate::level_free::level_free_distance_db;

/// What the table says.
pub const COLUMNS: [Column; 6] = [
    Column::coarse("mel LSD, dB", "LSD", Form::Mean),
    Column::new("/ content copy's (95 %)", "LSD", Form::OfCopy),
    Column::new("timbre distance / content copy's (95 %)", "timbre", Form::OfCopy),
    Column::new("fast modulation / true target's", "modulation", Form::OfTruth),
    Column::new("heard as the target", "heard", Form::Mean),
    Column::new("/ true target's", "heard", Form::OfTruth),
];

/// Judges a model on one split of a rendered dataset: content and target on different instruments.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// What is judged, by whom, and how it draws.
    #[command(flatten)]
    pub eval_args: EvalArgs,
    /// Folder of a rendered dataset.
    #[arg(long)]
    pub data: PathBuf,
    /// Which of its pieces.
    #[arg(long, default_value = "test")]
    pub split: Split,
    /// Pairs of content and style.
    #[arg(long, default_value_t = 200, value_parser = super::at_least_one)]
    pub items: usize,
    /// What is asked of the model.
    #[command(flatten)]
    pub rows: RowArgs,
    /// Also writes the table as JSON.
    #[arg(long)]
    pub json: Option<PathBuf>,
}

/// Which settings of the model have a row of their own.
#[derive(Clone, Debug, clap::Args)]
pub struct RowArgs {
    /// DDIM step counts.
    #[arg(long, num_args = 1.., default_values_t = [1, 2, 4, 10, 50])]
    pub steps: Vec<usize>,
    /// Scales of classifier-free guidance, with the default steps.
    #[arg(long, num_args = 0.., default_values_t = [1.5, 2.0, 3.0])]
    pub guidances: Vec<f32>,
    /// Windows that the style is read from, with the default steps; all other rows have one.
    #[arg(long, num_args = 0.., default_values_t = [REFERENCE_WINDOWS], value_parser = super::at_least_one)]
    pub style_windows: Vec<usize>,
}

/// As many windows as are in the longest reference that is listened to when a model plays, 12 s.
/// Here they are of any pieces of the sound.
const REFERENCE_WINDOWS: usize = 4;

/// What a row asks of the model.
struct Question {
    name: String,
    settings: Settings,
    /// Windows that the style is read from.
    windows: usize,
}

impl RowArgs {
    /// Refuses a row that is asked for twice: a table has one of each name.
    fn check(&self) -> Result<()> {
        super::distinct("--steps", &self.steps)?;
        super::distinct("--guidances", &self.guidances)?;
        super::distinct("--style-windows", &self.style_windows)
    }

    /// From the others' `base`.
    fn questions(&self, base: &Settings) -> Vec<Question> {
        let steps = self.steps.iter().map(|&steps| Question {
            name: row_name(steps),
            settings: Settings { steps, ..base.clone() },
            windows: 1,
        });
        let guidances = self.guidances.iter().map(|&guidance_scale| Question {
            name: format!("{}, guidance {guidance_scale}", row_name(base.steps)),
            settings: Settings { guidance_scale, ..base.clone() },
            windows: 1,
        });
        let longer = self.style_windows.iter().map(|&windows| Question {
            name: format!("{}, style of {windows} windows", row_name(base.steps)),
            settings: base.clone(),
            windows,
        });
        steps.chain(guidances).chain(longer).collect()
    }
}

/// Runs the evaluation and prints its table.
pub fn run(args: &Args) -> Result<()> {
    let Args { eval_args, split, .. } = args;
    let judged = Session::open(eval_args, &args.data)?.judge(
        *split,
        args.items,
        &args.rows,
        &eval_args.sampling,
    )?;
    let of = format!("pairs of the {split:?} split");
    publish(&judged.table, &of, &eval_args.sampling, args.json.as_deref())?;
    println!("{}", judged.apart(&row_name(eval_args.sampling.settings().steps)));
    Ok(())
}

/// What an evaluation needs. Calls may come from several threads at once.
pub struct Session {
    /// Of the model's file.
    pub sha256: String,
    data: SpectrogramDataset,
    model: Arc<Model<Packed>>,
    /// Has one workspace; of all that is done for a pair its part is the least.
    judge: Mutex<Judge>,
    range_db: f32,
}

/// What came of it.
pub struct Judged {
    /// The table.
    pub table: Table,
    /// From what to what each pair leads.
    pub directions: Vec<Direction>,
    /// What each pair's window asks for.
    pub textures: Vec<Texture>,
    /// The first pairs: name, then content, style, true target and the model's row for each step
    /// count.
    pub examples: Vec<(String, Vec<MelImage>)>,
    /// Mean time of one window, in ms, by step count: encode, denoise, decode, with every core at
    /// a window of its own.
    pub window_ms: Vec<(usize, f64)>,
}

/// What came of one pair.
struct JudgedPair {
    rows: Vec<(String, Row)>,
    texture: Texture,
    /// Of the first pairs.
    example: Option<(String, Vec<MelImage>)>,
    /// By step count.
    window_ms: Vec<f64>,
}

/// What every pair is asked.
struct Questions<'a> {
    pairs: &'a [Pair],
    /// The windows of each pair's sound, as many as the row that asks for most of them.
    styles: Vec<Vec<ImageRef>>,
    base: Settings,
    questions: Vec<Question>,
    /// How many of what is asked, from the first, are step counts.
    steps: usize,
}

/// The guidance at which the prediction without a style is all that counts.
const WITHOUT_STYLE: f32 = 0.0;
/// Pairs that are kept as pictures.
const EXAMPLES: usize = 4;
/// Images of each split whose reconstruction is measured.
const RECONSTRUCTIONS: usize = 200;

impl Session {
    /// Reads everything.
    ///
    /// # Errors
    /// If a file cannot be read, or the dataset's images are not the model's.
    pub fn open(eval_args: &EvalArgs, data: &Path) -> Result<Self> {
        let data = SpectrogramDataset::open(data)?;
        let playable = InferenceModel::packed(&Checkpoint::read(&eval_args.model)?)?;
        if playable.config().mel != data.description.mel {
            let found = format!("{:?}", data.description.mel);
            return Err(Error::invalid("--data", "the model's mel config", found));
        }
        Ok(Self {
            sha256: playable.sha256().to_string(),
            data,
            model: playable.model(),
            judge: Mutex::new(Judge::read(&eval_args.classifier)?),
            range_db: playable.config().mel.range_db,
        })
    }

    /// A player of the model for one thread.
    ///
    /// # Errors
    /// As [`ModelRunner::new`].
    pub fn player(&self) -> Result<ModelRunner> {
        ModelRunner::new(&self.model)
    }

    /// Judges so many pairs of a split.
    ///
    /// # Errors
    /// If a row is asked for twice, the split has no pairs, or a network fails.
    pub fn judge(
        &self,
        split: Split,
        items: usize,
        rows: &RowArgs,
        sampling: &Sampling,
    ) -> Result<Judged> {
        rows.check()?;
        let dataset = SpectrogramPairDataset::new(&self.data, split, sampling.seed)?;
        let pairs = dataset.of_two_instruments(items);
        if pairs.is_empty() {
            let found = format!("those of {:?} alone", self.data.description.instruments);
            return Err(Error::invalid("--data", "pieces on two instruments", found));
        }
        let base = sampling.settings();
        let questions = rows.questions(&base);
        let most = questions.iter().map(|question| question.windows).max().unwrap_or(1);
        let styles = pairs.iter().enumerate().map(|(number, pair)| {
            let rng = &mut random::stream(sampling.seed, "style windows", number as u64);
            let more = (1..most).map(|_| dataset.style_of(pair.target, rng));
            std::iter::once(pair.style).chain(more).collect()
        });
        let styles = styles.collect();
        let asked = Questions { pairs: &pairs, styles, base, questions, steps: rows.steps.len() };
        // Pairs know nothing of each other: the table is the same on one core and on many.
        let numbers: Vec<usize> = (0..pairs.len()).collect();
        let parts = numbers.par_chunks(pairs.len().div_ceil(rayon::current_num_threads()).max(1));
        let parts: Vec<Vec<JudgedPair>> = parts
            .map(|part| {
                let player = &mut self.player()?;
                part.iter().map(|&number| self.judge_pair(number, &asked, player)).collect()
            })
            .collect::<Result<_>>()?;
        let mut judged = Judged {
            table: Table::new(&COLUMNS, sampling.seed),
            directions: pairs.iter().map(|pair| self.direction(pair)).collect(),
            textures: Vec::with_capacity(pairs.len()),
            examples: Vec::new(),
            window_ms: rows.steps.iter().map(|&steps| (steps, 0.0)).collect(),
        };
        for (pair, of_pair) in pairs.iter().zip(parts.into_iter().flatten()) {
            judged.add(pair, of_pair, pairs.len());
        }
        Ok(judged)
    }

    fn judge_pair(
        &self,
        number: usize,
        asked: &Questions,
        player: &mut ModelRunner,
    ) -> Result<JudgedPair> {
        let pair = &asked.pairs[number];
        let [content, style, target] = self.images(pair);
        let mut outputs = baselines(player, [&content, &style, &target])?;
        let windows: Vec<MelImage> =
            asked.styles[number].iter().map(|at| self.data.mel_image(*at)).collect();
        let (own, tokens) = (outputs.len(), player.style_tokens(&windows[..1])?);
        let mut window_ms = Vec::with_capacity(asked.questions.len());
        for Question { name, settings, windows: count } in &asked.questions {
            let longer =
                (*count > 1).then(|| player.style_tokens(&windows[..*count])).transpose()?;
            let start = Instant::now();
            let made =
                player.transferred(&content, longer.as_ref().unwrap_or(&tokens), settings)?;
            outputs.push((name.clone(), made));
            window_ms.push(1e3 * start.elapsed().as_secs_f64());
        }
        window_ms.truncate(asked.steps);
        let other = self.data.mel_image(asked.pairs[(number + 1) % asked.pairs.len()].style);
        let other = player.style_tokens(std::slice::from_ref(&other))?;
        let shuffled = player.transferred(&content, &other, &asked.base)?;
        let unguided = Settings { guidance_scale: WITHOUT_STYLE, ..asked.base.clone() };
        let without = player.transferred(&content, &tokens, &unguided)?;
        outputs.extend([
            ("Luthier, another pair's style".into(), shuffled),
            ("Luthier, no style".into(), without),
        ]);
        let example = (number < EXAMPLES).then(|| {
            let made = outputs[own..][..asked.steps].iter().map(|(_, image)| image.clone());
            let images = [content, style, target.clone()].into_iter().chain(made);
            (self.direction(pair).to_string(), images.collect())
        });
        let rows = outputs
            .iter()
            .map(|(name, output)| Ok((name.clone(), self.measured(output, &target, pair)?)));
        Ok(JudgedPair {
            rows: rows.collect::<Result<_>>()?,
            texture: Texture::classify(&self.data.score(pair.content.piece, pair.content.chunk)?),
            example,
            window_ms,
        })
    }

    /// Mean squared error of the autoencoder over some of a split's sounding images; none where the
    /// split has none.
    ///
    /// # Errors
    /// If a network fails.
    pub fn reconstruction_mse(&self, split: Split) -> Result<Option<f64>> {
        let images = self.data.images(split);
        let every = images.len().div_ceil(RECONSTRUCTIONS).max(1);
        let sounding: Vec<_> =
            images.into_iter().step_by(every).filter(|at| self.data.sounds(*at)).collect();
        let (mut errors, player) = (Vec::new(), &mut self.player()?);
        for at in sounding {
            let image = self.data.mel_image(at);
            let output = player.reconstructed(&image)?;
            let squares =
                image.data.iter().zip(&output.data).map(|(a, b)| f64::from(a - b).powi(2));
            errors.push(squares.sum::<f64>() / image.data.len() as f64);
        }
        Ok((!errors.is_empty()).then(|| mean(&errors)))
    }

    /// Name, content, style and true target of some pairs of a split.
    ///
    /// # Errors
    /// If the split has no pairs.
    pub fn examples(&self, split: Split, seed: u64) -> Result<Vec<(String, [MelImage; 3])>> {
        let pairs =
            SpectrogramPairDataset::new(&self.data, split, seed)?.of_two_instruments(EXAMPLES);
        Ok(pairs.iter().map(|pair| (self.direction(pair).to_string(), self.images(pair))).collect())
    }

    /// Content, style and true target.
    fn images(&self, pair: &Pair) -> [MelImage; 3] {
        [pair.content, pair.style, pair.target].map(|at| self.data.mel_image(at))
    }

    fn direction(&self, pair: &Pair) -> Direction {
        let [from, to] = [pair.content, pair.target]
            .map(|at| self.data.description.instruments[at.instrument].clone());
        Direction { from, to }
    }

    fn measured(&self, output: &MelImage, target: &MelImage, pair: &Pair) -> Result<Row> {
        let instrument = &self.data.description.instruments[pair.target.instrument];
        let mut judge = self.judge.lock().unwrap_or_else(PoisonError::into_inner);
        let heard = judge.hears(instrument, |judge| judge.name_image(output))?;
        drop(judge);
        let residual = Residual::measure(output, target, self.range_db);
        Ok(vec![
            ("LSD", level_free_distance_db(output, target, self.range_db)),
            ("timbre", timbre_distance_db(output, target, self.range_db)),
            ("modulation", fast_modulation_db(output, self.range_db)),
            ("heard", heard),
            ("envelope", residual.envelope_db),
            ("partials", residual.partials_db),
            ("movement", residual.movement_db),
            ("equalised", residual.equalised_db),
        ])
    }
}

impl Judged {
    /// What a row of the table is by what windows ask for, and by instrument, and where every row's
    /// error lies; nothing where there is no such row.
    pub fn apart(&self, row: &str) -> String {
        if self.table.line_of(row, row).is_empty() {
            return String::new();
        }
        let textures = texture::markdown(&self.table, &self.textures, row);
        let directions = direction::markdown(&self.table, &self.directions, row);
        let residuals = self.table.under(&residual::COLUMNS).markdown();
        format!(
            "\n{row}, by texture:\n\n{textures}\n{row}, by instrument, of {} pairs at least:\n\n{directions}\n\
             Where the error lies:\n\n{residuals}",
            direction::FEWEST
        )
    }

    /// Adds one of so many pairs.
    fn add(&mut self, pair: &Pair, of_pair: JudgedPair, pairs: usize) {
        for ((_, mean_ms), ms) in self.window_ms.iter_mut().zip(of_pair.window_ms) {
            *mean_ms += ms / pairs as f64;
        }
        self.examples.extend(of_pair.example);
        self.textures.push(of_pair.texture);
        self.table.push_all(pair.content.piece, of_pair.rows);
    }
}

/// The rows that need no model of ours; truth and copy first, as [`Table`] asks.
fn baselines(
    player: &mut ModelRunner,
    [content, style, target]: [&MelImage; 3],
) -> Result<Vec<(String, MelImage)>> {
    Ok(vec![
        ("true target".into(), target.clone()),
        ("content copy".into(), content.clone()),
        ("spectral-envelope match".into(), match_envelope(content, style)),
        ("autoencoder of the true target".into(), player.reconstructed(target)?),
    ])
}

/// What a musician's match equaliser does: the content under the difference of the two mean
/// spectra.
fn match_envelope(content: &MelImage, style: &MelImage) -> MelImage {
    let mean = |image: &MelImage, mel: usize| {
        (0..image.frames).map(|f| image.value(mel, f)).sum::<f32>() / image.frames as f32
    };
    let mut matched = content.clone();
    for (mel, row) in matched.data.chunks_exact_mut(content.frames).enumerate() {
        let gain = mean(style, mel) - mean(content, mel);
        row.iter_mut().for_each(|v| *v = (*v + gain).clamp(0.0, 1.0));
    }
    matched
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_envelope_match_gives_the_content_the_mean_spectrum_of_the_style() {
        let content = MelImage { n_mels: 2, frames: 2, data: vec![0.2, 0.4, 0.5, 0.5] };
        let style = MelImage { n_mels: 2, frames: 1, data: vec![0.5, 0.4] };
        let matched = match_envelope(&content, &style);
        let expected = [0.4, 0.6, 0.4, 0.4];
        assert!(
            matched.data.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6),
            "{:?}",
            matched.data
        );
    }
}
