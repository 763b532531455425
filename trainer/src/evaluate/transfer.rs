//! `trainer evaluate transfer`: the model's images of pieces that training did not use, with
//! baselines.
//!
//! It compares images before the vocoder. [`super::vocoder`] measures the vocoder, [`super::audio`]
//! the complete chain.

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
use super::table::{Column, Form, Measures, Table};
use super::texture::{self, Texture};
use super::timbre::timbre_distance_db;
use super::{publish, row_name};
use crate::classifier::Judge;
use crate::data::dataset::pairs::SpectrogramPairDataset;
use crate::data::dataset::{ImageRef, ImageSet, Pair, SpectrogramDataset, Split};
use crate::data::random;
use crate::level_free::level_free_distance_db;

/// Columns of the table.
pub const COLUMNS: [Column; 6] = [
    Column::coarse("mel LSD, dB", "LSD", Form::Mean),
    Column::new("/ content copy's (95 %)", "LSD", Form::OfCopy),
    Column::new("timbre distance / content copy's (95 %)", "timbre", Form::OfCopy),
    Column::new("fast modulation / true target's", "modulation", Form::OfTruth),
    Column::new("classified as target", "heard", Form::Mean),
    Column::new("/ true target's", "heard", Form::OfTruth),
];

/// Evaluates a model on one split of a rendered dataset, with content and target on different
/// instruments.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Model, judge and sampler.
    #[command(flatten)]
    pub eval_args: EvalArgs,
    /// Folder of a rendered dataset.
    #[arg(long)]
    pub data: PathBuf,
    /// Split of the dataset.
    #[arg(long, default_value = "test")]
    pub split: Split,
    /// Pairs of content and style.
    #[arg(long, default_value_t = 200, value_parser = super::at_least_one)]
    pub items: usize,
    /// Settings with a row.
    #[command(flatten)]
    pub rows: RowArgs,
    /// Write the table as JSON to this file.
    #[arg(long)]
    pub json: Option<PathBuf>,
}

/// Settings of the model that have a row.
#[derive(Clone, Debug, clap::Args)]
pub struct RowArgs {
    /// DDIM step counts.
    #[arg(long, num_args = 1.., default_values_t = [1, 2, 4, 10, 50])]
    pub steps: Vec<usize>,
    /// Scales of classifier-free guidance, with the default steps.
    #[arg(long, num_args = 0.., default_values_t = [1.5, 2.0, 3.0])]
    pub guidances: Vec<f32>,
    /// Numbers of windows of the style, with the default steps. All other rows use one window.
    #[arg(long, num_args = 0.., default_values_t = [REFERENCE_WINDOWS],
        value_parser = super::at_least_one)]
    pub style_windows: Vec<usize>,
}

/// Windows of the longest reference in the plugin, 12 s. Here they are from any pieces of the
/// sound.
const REFERENCE_WINDOWS: usize = 4;

/// Name and settings of a row.
struct RowSpec {
    name: String,
    settings: Settings,
    /// Windows of the style.
    windows: usize,
}

impl RowArgs {
    /// Checks that no row is repeated, because row names are unique.
    fn check(&self) -> Result<()> {
        super::distinct("--steps", &self.steps)?;
        super::distinct("--guidances", &self.guidances)?;
        super::distinct("--style-windows", &self.style_windows)
    }

    /// The rows. `base` are the settings that they share.
    fn row_specs(&self, base: &Settings) -> Vec<RowSpec> {
        let steps = self.steps.iter().map(|&steps| RowSpec {
            name: row_name(steps),
            settings: Settings { steps, ..base.clone() },
            windows: 1,
        });
        let guidances = self.guidances.iter().map(|&guidance_scale| RowSpec {
            name: format!("{}, guidance {guidance_scale}", row_name(base.steps)),
            settings: Settings { guidance_scale, ..base.clone() },
            windows: 1,
        });
        let style_windows = self.style_windows.iter().map(|&windows| RowSpec {
            name: format!("{}, style of {windows} windows", row_name(base.steps)),
            settings: base.clone(),
            windows,
        });
        steps.chain(guidances).chain(style_windows).collect()
    }
}

/// Runs the evaluation and prints its table.
pub fn run(args: &Args) -> Result<()> {
    let Args { eval_args, split, .. } = args;
    let evaluation = Session::open(eval_args, &args.data)?.evaluate(
        *split,
        args.items,
        &args.rows,
        &eval_args.sampling,
    )?;
    let title = format!("pairs of the {} split", split.name());
    publish(&evaluation.table, &title, &eval_args.sampling, args.json.as_deref())?;
    println!("{}", evaluation.breakdowns(&row_name(eval_args.sampling.settings().steps)));
    Ok(())
}

/// Dataset, model and judge of an evaluation. Calls may be concurrent.
pub struct Session {
    /// SHA-256 of the model file.
    pub sha256: String,
    data: SpectrogramDataset,
    model: Arc<Model<Packed>>,
    /// One judge for all threads, because its share of the time is small.
    judge: Mutex<Judge>,
    range_db: f32,
}

/// Results of an evaluation.
pub struct Evaluation {
    /// The table.
    pub table: Table,
    /// Source and target instrument of each pair.
    pub directions: Vec<Direction>,
    /// Texture of each pair's window.
    pub textures: Vec<Texture>,
    /// The first pairs as pictures: name, and content, style, true target and the model's output
    /// for each step count.
    pub examples: Vec<(String, Vec<MelImage>)>,
    /// Mean time of one window (encode, denoise, decode) in ms by step count, while every core
    /// processes a window of its own.
    pub window_ms: Vec<(usize, f64)>,
}

/// Results of one pair.
struct PairResult {
    rows: Vec<(String, Measures)>,
    texture: Texture,
    /// Pictures, for the first pairs only.
    example: Option<(String, Vec<MelImage>)>,
    /// Times in ms, by step count.
    window_ms: Vec<f64>,
}

/// Pairs, and the rows to compute for each of them.
struct PairTasks<'a> {
    pairs: &'a [Pair],
    /// The style windows of each pair, as many as any row needs.
    styles: Vec<Vec<ImageRef>>,
    base: Settings,
    row_specs: Vec<RowSpec>,
    /// Number of rows, from the first, that vary the step count.
    steps: usize,
}

/// The guidance scale that uses only the prediction without style.
const WITHOUT_STYLE: f32 = 0.0;
/// Number of pairs that are drawn as pictures.
const EXAMPLES: usize = 4;
/// Images of each split for the reconstruction error.
const RECONSTRUCTIONS: usize = 200;

impl Session {
    /// Opens dataset, model and judge.
    ///
    /// # Errors
    /// If a file cannot be read, or the dataset has another mel config than the model.
    pub fn open(eval_args: &EvalArgs, data: &Path) -> Result<Self> {
        let data = SpectrogramDataset::open(data)?;
        let model = InferenceModel::packed(&Checkpoint::read(&eval_args.model)?)?;
        if model.config().mel != data.description.mel {
            let found = format!("{:?}", data.description.mel);
            return Err(Error::invalid("--data", "the model's mel config", found));
        }
        Ok(Self {
            sha256: model.sha256().to_string(),
            data,
            model: model.model(),
            judge: Mutex::new(Judge::read(&eval_args.classifier)?),
            range_db: model.config().mel.range_db,
        })
    }

    /// A runner of the model for one thread.
    ///
    /// # Errors
    /// As [`ModelRunner::new`].
    pub fn model_runner(&self) -> Result<ModelRunner> {
        ModelRunner::new(&self.model)
    }

    /// Evaluates `items` pairs of a split.
    ///
    /// # Errors
    /// If a row is repeated, the split has no pairs, or a network fails.
    pub fn evaluate(
        &self,
        split: Split,
        items: usize,
        rows: &RowArgs,
        sampling: &Sampling,
    ) -> Result<Evaluation> {
        rows.check()?;
        let dataset = SpectrogramPairDataset::new(&self.data, split, sampling.seed)?;
        let pairs = dataset.of_two_instruments(items);
        if pairs.is_empty() {
            let found = format!("only {:?}", self.data.description.instruments);
            return Err(Error::invalid("--data", "pieces on two instruments", found));
        }
        let base = sampling.settings();
        let row_specs = rows.row_specs(&base);
        let most = row_specs.iter().map(|spec| spec.windows).max().unwrap_or(1);
        let styles = pairs.iter().enumerate().map(|(number, pair)| {
            let rng = &mut random::stream(sampling.seed, "style windows", number as u64);
            let more = (1..most).map(|_| dataset.style_of(pair.target, rng));
            std::iter::once(pair.style).chain(more).collect()
        });
        let styles = styles.collect();
        let tasks = PairTasks { pairs: &pairs, styles, base, row_specs, steps: rows.steps.len() };
        // Pairs are independent, so the table does not depend on the number of threads.
        let numbers: Vec<usize> = (0..pairs.len()).collect();
        let parts = numbers.par_chunks(pairs.len().div_ceil(rayon::current_num_threads()).max(1));
        let parts: Vec<Vec<PairResult>> = parts
            .map(|part| {
                let runner = &mut self.model_runner()?;
                part.iter().map(|&number| self.evaluate_pair(number, &tasks, runner)).collect()
            })
            .collect::<Result<_>>()?;
        let mut evaluation = Evaluation {
            table: Table::new(&COLUMNS, sampling.seed),
            directions: pairs.iter().map(|pair| self.direction(pair)).collect(),
            textures: Vec::with_capacity(pairs.len()),
            examples: Vec::new(),
            window_ms: rows.steps.iter().map(|&steps| (steps, 0.0)).collect(),
        };
        for (pair, result) in pairs.iter().zip(parts.into_iter().flatten()) {
            evaluation.add(pair, result, pairs.len());
        }
        Ok(evaluation)
    }

    fn evaluate_pair(
        &self,
        number: usize,
        tasks: &PairTasks,
        runner: &mut ModelRunner,
    ) -> Result<PairResult> {
        let pair = &tasks.pairs[number];
        let [content, style, target] = self.images(pair);
        let mut outputs = baselines(runner, [&content, &style, &target])?;
        let windows: Vec<MelImage> =
            tasks.styles[number].iter().map(|at| self.data.mel_image(*at)).collect();
        let (own, tokens) = (outputs.len(), runner.style_tokens(&windows[..1])?);
        let mut window_ms = Vec::with_capacity(tasks.row_specs.len());
        for RowSpec { name, settings, windows: count } in &tasks.row_specs {
            let longer_style =
                (*count > 1).then(|| runner.style_tokens(&windows[..*count])).transpose()?;
            let start = Instant::now();
            let made = runner.transfer_style(
                &content,
                longer_style.as_ref().unwrap_or(&tokens),
                settings,
            )?;
            outputs.push((name.clone(), made));
            window_ms.push(1e3 * start.elapsed().as_secs_f64());
        }
        window_ms.truncate(tasks.steps);
        let other = self.data.mel_image(tasks.pairs[(number + 1) % tasks.pairs.len()].style);
        let other = runner.style_tokens(std::slice::from_ref(&other))?;
        let shuffled = runner.transfer_style(&content, &other, &tasks.base)?;
        let unguided = Settings { guidance_scale: WITHOUT_STYLE, ..tasks.base.clone() };
        let without = runner.transfer_style(&content, &tokens, &unguided)?;
        outputs.extend([
            ("Luthier, another pair's style".into(), shuffled),
            ("Luthier, no style".into(), without),
        ]);
        let example = (number < EXAMPLES).then(|| {
            let made = outputs[own..][..tasks.steps].iter().map(|(_, image)| image.clone());
            let images = [content, style, target.clone()].into_iter().chain(made);
            (self.direction(pair).to_string(), images.collect())
        });
        let rows = outputs
            .iter()
            .map(|(name, output)| Ok((name.clone(), self.measure(output, &target, pair)?)));
        Ok(PairResult {
            rows: rows.collect::<Result<_>>()?,
            texture: Texture::classify(&self.data.score(pair.content.piece, pair.content.chunk)?),
            example,
            window_ms,
        })
    }

    /// Mean squared error of the autoencoder over some of a split's images that are not silent;
    /// `None` if the split has none.
    ///
    /// # Errors
    /// If a network fails.
    pub fn reconstruction_mse(&self, split: Split) -> Result<Option<f64>> {
        let images = self.data.images(split);
        let every = images.len().div_ceil(RECONSTRUCTIONS).max(1);
        let sounding: Vec<_> =
            images.into_iter().step_by(every).filter(|at| self.data.sounds(*at)).collect();
        let (mut errors, runner) = (Vec::new(), &mut self.model_runner()?);
        for at in sounding {
            let image = self.data.mel_image(at);
            let output = runner.reconstruct(&image)?;
            let squares =
                image.data.iter().zip(&output.data).map(|(a, b)| f64::from(a - b).powi(2));
            errors.push(squares.sum::<f64>() / image.data.len() as f64);
        }
        Ok((!errors.is_empty()).then(|| mean(&errors)))
    }

    /// Name, content, style and true target of the first pairs of a split.
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

    fn measure(&self, output: &MelImage, target: &MelImage, pair: &Pair) -> Result<Measures> {
        let instrument = &self.data.description.instruments[pair.target.instrument];
        let mut judge = self.judge.lock().unwrap_or_else(PoisonError::into_inner);
        let is_target = judge.is_classified_as(instrument, |judge| judge.classify_image(output))?;
        drop(judge);
        let residual = Residual::measure(output, target, self.range_db);
        Ok(vec![
            ("LSD", level_free_distance_db(output, target, self.range_db)),
            ("timbre", timbre_distance_db(output, target, self.range_db)),
            ("modulation", fast_modulation_db(output, self.range_db)),
            ("heard", is_target),
            ("envelope", residual.envelope_db),
            ("partials", residual.partials_db),
            ("movement", residual.movement_db),
            ("equalised", residual.equalised_db),
        ])
    }
}

impl Evaluation {
    /// Breakdowns of a row by texture and by instrument, and the error parts of all rows; empty if
    /// the row does not exist.
    pub fn breakdowns(&self, row: &str) -> String {
        if self.table.row_line(row, row).is_empty() {
            return String::new();
        }
        let textures = texture::markdown(&self.table, &self.textures, row);
        let directions = direction::markdown(&self.table, &self.directions, row);
        let residuals = self.table.with_columns(&residual::COLUMNS).markdown();
        format!(
            "\n{row}, by texture:\n\n{textures}\n\
             {row}, by instrument with at least {} pairs:\n\n{directions}\n\
             Parts of the error:\n\n{residuals}",
            direction::FEWEST
        )
    }

    /// Adds the result of one pair; `pairs` is their total number.
    fn add(&mut self, pair: &Pair, result: PairResult, pairs: usize) {
        for ((_, mean_ms), ms) in self.window_ms.iter_mut().zip(result.window_ms) {
            *mean_ms += ms / pairs as f64;
        }
        self.examples.extend(result.example);
        self.textures.push(result.texture);
        self.table.push_all(pair.content.piece, result.rows);
    }
}

/// The rows that do not depend on the denoiser. True target and content copy are first, as
/// [`Table`] requires.
fn baselines(
    runner: &mut ModelRunner,
    [content, style, target]: [&MelImage; 3],
) -> Result<Vec<(String, MelImage)>> {
    Ok(vec![
        ("true target".into(), target.clone()),
        ("content copy".into(), content.clone()),
        ("spectral-envelope match".into(), match_envelope(content, style)),
        ("autoencoder of the true target".into(), runner.reconstruct(target)?),
    ])
}

/// A match equaliser: adds the difference of the mean spectra to the content.
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
    fn the_matched_content_has_the_mean_spectrum_of_the_style() {
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
