//! `trainer evaluate transfer`: what the model makes of pieces that it never saw, beside baselines.
//!
//! Judged on the model's images, before the vocoder: [`super::vocoder`] measures what comes after, [`super::audio`] all of
//! it.

use std::path::PathBuf;
use std::sync::Arc;

use engine::cancel::Cancel;
use engine::checkpoint::Checkpoint;
use engine::image::MelImage;
use engine::models::model::Model;
use engine::nn::packed::Packed;
use engine::pipeline::{Executed, Transfer};
use engine::playable::Playable;
use engine::settings::Settings;
use engine::style::StyleTokens;
use engine::{Error, Result};
use serde_json::json;

use super::bootstrap::{mean, ratio_interval};
use super::sampling::Sampling;
use crate::classifier::Judge;
use crate::data::dataset::{ImageRef, SpectrogramDataset};
use crate::data::description::Split;
use crate::data::pairs::{Pair, SpectrogramPairDataset};
use crate::level_free::level_free_distance_db;

/// Judges a model on one split of a rendered dataset: content and target on different instruments.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Model file.
    #[arg(long)]
    pub model: PathBuf,
    /// Folder of a rendered dataset.
    #[arg(long)]
    pub data: PathBuf,
    /// Which of its pieces.
    #[arg(long, default_value = "test")]
    pub split: Split,
    /// Classifier that judges; it must have been trained on other data.
    #[arg(long)]
    pub classifier: PathBuf,
    /// Pairs of content and style.
    #[arg(long, default_value_t = 200, value_parser = super::at_least_one)]
    pub items: usize,
    /// DDIM step counts, a row each.
    #[arg(long, num_args = 1.., default_values_t = [1, 4, 10, 50])]
    pub steps: Vec<usize>,
    /// How the model draws.
    #[command(flatten)]
    pub sampling: Sampling,
    /// Also writes the table as JSON.
    #[arg(long)]
    pub json: Option<PathBuf>,
}

/// One row's measurements, one entry a pair.
#[derive(Default)]
struct Row {
    lsd_db: Vec<f64>,
    right: Vec<f64>,
}

/// Everything that one evaluation needs.
struct Session {
    data: SpectrogramDataset,
    model: Arc<Model<Packed>>,
    transfer: Transfer,
    judge: Judge,
    ops: Packed,
    range_db: f32,
}

/// Runs the evaluation and prints its table.
pub fn run(args: &Args) -> Result<()> {
    let data = SpectrogramDataset::open(&args.data)?;
    let playable = Playable::packed(&Checkpoint::read(&args.model)?)?;
    if playable.config().mel != data.description.mel {
        return Err(Error::invalid(
            "--data",
            "the model's mel config",
            format!("{:?}", data.description.mel),
        ));
    }
    let (model, range_db) = (playable.model(), playable.config().mel.range_db);
    let transfer = Transfer::new(Box::new(Executed::new(playable.model(), Packed::default())))?;
    let judge = Judge::read(&args.classifier)?;
    let mut session = Session { data, model, transfer, judge, ops: Packed::default(), range_db };
    let pairs = session.pairs(args)?;
    let rows = session.rows(&pairs, args)?;
    let pieces: Vec<usize> = pairs.iter().map(|p| p.content.piece).collect();
    print_table(args, &rows, &pieces)
}

impl Session {
    fn pairs(&self, args: &Args) -> Result<Vec<Pair>> {
        let sampler = SpectrogramPairDataset::new(&self.data, args.split, args.sampling.seed)?;
        let drawn = (0..20 * args.items as u64).map(|i| sampler.pair(i));
        Ok(drawn.filter(|p| p.content.instrument != p.target.instrument).take(args.items).collect())
    }

    fn image(&self, at: ImageRef) -> MelImage {
        let mel = &self.data.description.mel;
        let mut data = Vec::with_capacity(self.data.image_len());
        self.data.extend_f32(at, &mut data);
        MelImage { n_mels: mel.n_mels, frames: self.data.description.window.frames, data }
    }

    fn rows(&mut self, pairs: &[Pair], args: &Args) -> Result<Vec<(String, Row)>> {
        let base = args.sampling.settings();
        let names =
            ["true target", "autoencoder of the true target", "content copy", "spectral-envelope match"];
        let mut rows: Vec<(String, Row)> = names.map(|name| (name.to_string(), Row::default())).into();
        rows.extend(args.steps.iter().map(|steps| (format!("Luthier, {steps} steps"), Row::default())));
        rows.push(("Luthier, another pair's style".to_string(), Row::default()));
        for (i, pair) in pairs.iter().enumerate() {
            let (content, target, style) =
                (self.image(pair.content), self.image(pair.target), self.image(pair.style));
            let latent = self.transfer.encode(&target)?;
            let mut outputs = vec![
                target.clone(),
                self.transfer.decode(&latent)?,
                content.clone(),
                match_envelope(&content, &style),
            ];
            let tokens = self.model.style_tokens(&mut self.ops, &[style])?;
            for &steps in &args.steps {
                outputs.push(self.transferred(&content, &tokens, &Settings { steps, ..base.clone() })?);
            }
            let other = self.image(pairs[(i + 1) % pairs.len()].style);
            let other = self.model.style_tokens(&mut self.ops, &[other])?;
            outputs.push(self.transferred(&content, &other, &base)?);
            for ((_, row), output) in rows.iter_mut().zip(&outputs) {
                row.lsd_db.push(level_free_distance_db(output, &target, self.range_db));
                let heard = self.judge.name_image(output)?;
                row.right.push(f64::from(u8::from(
                    heard == self.data.description.instruments[pair.target.instrument],
                )));
            }
        }
        Ok(rows)
    }

    fn transferred(
        &mut self,
        content: &MelImage,
        style: &StyleTokens,
        settings: &Settings,
    ) -> Result<MelImage> {
        let latent = self.transfer.encode(content)?;
        let out = self.transfer.denoise(&latent, None, style, 0, settings, &Cancel::default())?;
        self.transfer.decode(&out)
    }
}

/// What a musician's match equaliser does: the content under the difference of the two mean spectra.
fn match_envelope(content: &MelImage, style: &MelImage) -> MelImage {
    let mean = |image: &MelImage, mel: usize| {
        (0..image.frames).map(|f| image.at(mel, f)).sum::<f32>() / image.frames as f32
    };
    let mut matched = content.clone();
    for (mel, row) in matched.data.chunks_exact_mut(content.frames).enumerate() {
        let gain = mean(style, mel) - mean(content, mel);
        row.iter_mut().for_each(|v| *v = (*v + gain).clamp(0.0, 1.0));
    }
    matched
}

fn print_table(args: &Args, rows: &[(String, Row)], pieces: &[usize]) -> Result<()> {
    let (truth, copy) = (&rows[0].1, &rows[2].1);
    println!(
        "{} pairs of the {:?} split, temperature {}, guidance {}\n",
        pieces.len(),
        args.split,
        args.sampling.temperature,
        args.sampling.guidance
    );
    println!("| | mel LSD, dB | / content copy's (95 %) | heard as the target | / true target's |");
    println!("|---|---|---|---|---|");
    let mut table = Vec::new();
    for (name, row) in rows {
        let (lsd, right) = (mean(&row.lsd_db), mean(&row.right));
        let (ratio, share) = (lsd / mean(&copy.lsd_db), right / mean(&truth.right));
        let (low, high) = ratio_interval(&row.lsd_db, &copy.lsd_db, pieces, args.sampling.seed);
        println!("| {name} | {lsd:.2} | {ratio:.3} ({low:.3} to {high:.3}) | {right:.3} | {share:.3} |");
        table.push(json!({ "name": name, "lsd_db": lsd, "lsd_ratio": ratio, "interval": [low, high], "heard": right, "heard_ratio": share }));
    }
    match &args.json {
        Some(path) => std::fs::write(path, format!("{:#}\n", json!(table))).map_err(|e| Error::file(path, e)),
        None => Ok(()),
    }
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
        assert!(matched.data.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{:?}", matched.data);
    }
}
