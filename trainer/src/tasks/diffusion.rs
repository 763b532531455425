//! Style encoder and denoiser: prediction, losses, validation.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use candle_core::Tensor;
use engine::checkpoint::{Checkpoint, Kind, Precision};
use engine::diffusion::forward::ForwardDiffusion;
use engine::image::MelImage;
use engine::models::style::LABEL;
use engine::models::unet::Conditions;
use engine::models::{Denoiser, STYLE};
use engine::nn::candle::{Candle, ParamStore};

use super::ahead::Ahead;
use super::batch::{Batch, Draw};
use super::batches::{Batches, Drawn};
use super::latents::Latents;
use super::mixture::Mixture;
use crate::config::RunConfig;
use crate::data::image_set::ImageSet;
use crate::data::pairs::Pair;
use crate::export;
use crate::growth;
use crate::images::{as_batch, to_images};
use crate::level_free::level_free_distance_db;
use crate::losses::vggish::VggishFeatureLoss;
use crate::losses::{Losses, label};
use crate::optim::Parameters;
use crate::plot::ImageTable;
use crate::setup::Setup;
use crate::train_loop::{Metrics, Record, Task};
use crate::weights::{fill, stored};

/// Images a forward pass outside training.
const BATCH: usize = 16;

/// The task.
pub struct DiffusionTask {
    config: RunConfig,
    base: Checkpoint,
    ahead: Ahead,
    forward: ForwardDiffusion,
    channel_weights: Tensor,
    listener: Option<VggishFeatureLoss>,
    validation: Vec<Pair>,
    store: ParamStore,
    ops: Candle,
    nets: Denoiser<Candle>,
}

impl DiffusionTask {
    /// The setup's model file is a trained autoencoder, or a whole model, whose denoiser is then
    /// trained on; where the data have other instruments than it knew, its instrument head starts
    /// anew.
    pub fn new(setup: &Setup<'_>) -> Result<Self> {
        let (mut config, device) = (setup.config.clone(), &setup.device);
        let autoencoder =
            setup.init.context("--init: expected the file of a trained autoencoder, found none")?;
        let folders = std::iter::once(&config.data).chain(&config.diffusion.extra_datasets);
        let examples = Mixture::open(folders.map(Path::new))?;
        let base = Checkpoint::read(autoencoder)?;
        let trained = base.model_config()?;
        ensure!(
            trained.mel == *examples.mel(),
            "{}: expected the dataset's mel config, {:?}, found {:?}",
            autoencoder.display(),
            examples.mel(),
            trained.mel
        );
        config.model.mel = trained.mel;
        config.model.window = trained.window;
        config.model.autoencoder = trained.autoencoder;
        config.model.style.instruments = examples.instruments().to_vec();
        config.model.validate()?;
        let ops = setup.executor();
        let latents = Latents::new(&base, &config.model, &ops, config.bf16_products())?;
        let mut store = ParamStore::new(device, config.seed);
        if base.kind == Kind::Model {
            let (head, knows) = (format!("{STYLE}.{LABEL}."), &trained.style.instruments);
            let same = *knows == config.model.style.instruments;
            let kept = base.tensors.iter().filter(|(name, _)| same || !name.starts_with(&head));
            fill(&mut store, &growth::grown(kept, &config.model, config.seed)?);
        }
        let nets = Denoiser::load(&mut &mut store, &config.model)?;
        let channel_weights = latents.channel_weights(config.diffusion.channel_power, &ops)?;
        let forward = ForwardDiffusion::new(&config.model.diffusion)?;
        let validation = examples.validation(config.validation_items, config.seed)?;
        let listener = setup.listener("style", config.loss.style, &config.model.mel)?;
        let batches = Batches::new(config.clone(), examples, latents)?;
        let ahead = Ahead::new(batches, config.steps)?;
        Ok(Self {
            config,
            base,
            ahead,
            forward,
            channel_weights,
            listener,
            validation,
            store,
            ops,
            nets,
        })
    }

    /// The batch of examples that are judged.
    fn batch(&self, pairs: &[Pair], draws: &[Draw]) -> Result<Batch> {
        self.ahead.batches().collate(pairs, draws)?.to_device(self.ops.device())
    }

    /// Prediction for a batch, and the style's instrument logits `(B, instruments)`.
    fn predict(&mut self, batch: &Batch) -> Result<(Tensor, Tensor)> {
        let style = self.nets.style.forward(&mut self.ops, &batch.style)?;
        let [tokens, pooled, profile] = [&style.tokens, &style.pooled, &batch.profile]
            .map(|kept| kept.broadcast_mul(&batch.keep_style));
        let read = self.nets.unet.read(&mut self.ops, &tokens?, &pooled?, Some(&profile?))?;
        let (content, mask, timestep) = (&batch.content, &batch.mask, &batch.timestep);
        let conditions = Conditions { content, mask, timestep, style: &read };
        let prediction = self.nets.unet.forward(&mut self.ops, &batch.noisy, &conditions)?;
        let logits = style.logits.reshape((batch.labels.dim(0)?, ()))?;
        Ok((prediction, logits))
    }

    /// One denoising step from pure noise: the model's mean, as images beside content and target.
    fn one_step(&mut self, pairs: &[Pair]) -> Result<Vec<[MelImage; 4]>> {
        let last = self.config.model.diffusion.train_timesteps - 1;
        let draws: Vec<Draw> = (0..pairs.len()).map(|i| Draw::plain(last, i as u64)).collect();
        let batch = self.batch(pairs, &draws)?;
        let (prediction, _) = self.predict(&batch)?;
        let x0 = self.estimate(&batch, &prediction, last)?;
        let Batches { examples, latents, .. } = &*self.ahead.batches();
        let outputs = to_images(&latents.decode(&mut self.ops, &x0)?)?;
        let row = |(pair, output): (&Pair, MelImage)| {
            let [style, target] = [pair.style, pair.target].map(|at| examples.mel_image(at));
            [examples.content(pair), style, target, output]
        };
        Ok(pairs.iter().zip(outputs).map(row).collect())
    }

    /// Distance of the feature statistics of the decoded estimates and of the targets (the reports'
    /// style loss, with its gradient).
    fn style_loss(
        &mut self,
        batch: &Batch,
        draws: &[Draw],
        targets: &[MelImage],
        prediction: &Tensor,
    ) -> Result<Tensor> {
        // An estimate is linear in the noisy latent and the prediction: two unit inputs tell the
        // coefficients.
        let coefficients = draws.iter().map(|draw| {
            let mut out = [0.0; 2];
            self.forward.x0(&[1.0, 0.0], &[0.0, 1.0], draw.timestep, &mut out);
            out
        });
        let (of_noisy, of_prediction): (Vec<f32>, Vec<f32>) =
            coefficients.map(|[a, b]| (a, b)).unzip();
        let column = |values| Tensor::from_vec(values, (draws.len(), 1, 1, 1), self.ops.device());
        let estimate = batch
            .noisy
            .broadcast_mul(&column(of_noisy)?)?
            .add(&prediction.broadcast_mul(&column(of_prediction)?)?)?;
        let output = self.ahead.batches().latents.decode(&mut self.ops, &estimate)?;
        let target = as_batch(targets, self.ops.device())?;
        let listener =
            self.listener.as_mut().context("loss.style: expected a feature network, found none")?;
        Ok(listener.style(&output, &target)?)
    }

    /// The clean latent that a prediction stands for.
    fn estimate(&self, batch: &Batch, prediction: &Tensor, timestep: usize) -> Result<Tensor> {
        let (x_t, prediction) = (
            batch.noisy.flatten_all()?.to_vec1::<f32>()?,
            prediction.flatten_all()?.to_vec1::<f32>()?,
        );
        let mut x0 = vec![0.0; x_t.len()];
        self.forward.x0(&x_t, &prediction, timestep, &mut x0);
        Ok(Tensor::from_vec(x0, batch.noisy.shape(), self.ops.device())?)
    }

    /// Diffusion loss and label accuracy over validation pairs at fixed timesteps.
    fn validation_loss(&mut self, pairs: &[Pair]) -> Result<(f64, f64)> {
        let steps = self.config.model.diffusion.train_timesteps;
        let draws: Vec<Draw> =
            (0..pairs.len()).map(|i| Draw::plain((i * 7919) % steps, i as u64)).collect();
        let batch = self.batch(pairs, &draws)?;
        let (prediction, logits) = self.predict(&batch)?;
        let loss = self
            .prediction_loss(&batch, &prediction, &batch.weight.ones_like()?)?
            .to_scalar::<f32>()?;
        let right = logits
            .argmax(1)?
            .eq(&batch.labels)?
            .to_dtype(candle_core::DType::F32)?
            .mean_all()?
            .to_scalar::<f32>()?;
        Ok((f64::from(loss), f64::from(right)))
    }

    /// Mean squared error of the prediction outside the prefix, channels and timesteps weighted.
    fn prediction_loss(
        &self,
        batch: &Batch,
        prediction: &Tensor,
        weight: &Tensor,
    ) -> Result<Tensor> {
        let error = prediction
            .sub(&batch.target)?
            .sqr()?
            .broadcast_mul(&self.channel_weights)?
            .broadcast_mul(&batch.loss_mask)?
            .broadcast_mul(weight)?;
        let share = batch.loss_mask.mean_all()?;
        Ok(error.mean_all()?.div(&share)?)
    }
}

impl Task for DiffusionTask {
    fn name(&self) -> &'static str {
        "ldm"
    }

    fn parameters(&self) -> Parameters {
        self.store.variables()
    }

    fn step(&mut self, step: u64) -> Result<Losses> {
        let Drawn { draws, values, targets } = self.ahead.batch_for_step(step)?;
        let batch = values.to_device(self.ops.device())?;
        let (prediction, logits) = self.predict(&batch)?;
        let (weights, mut losses) = (self.config.loss.clone(), Losses::default());
        losses.add("diffusion", weights.diffusion, || {
            self.prediction_loss(&batch, &prediction, &batch.weight)
        })?;
        losses.add("label", weights.label, || Ok(label::label(&logits, &batch.labels)?))?;
        losses.add("style", weights.style, || {
            self.style_loss(&batch, &draws, &targets, &prediction)
        })?;
        Ok(losses)
    }

    fn validate(&mut self) -> Result<Metrics> {
        let (mut loss, mut right) = (0.0, 0.0);
        let (mut output, mut shuffled, mut copy) = (0.0, 0.0, 0.0);
        let range_db = self.config.model.mel.range_db;
        let pairs = self.validation.clone();
        for pairs in pairs.chunks(BATCH) {
            let (batch_loss, batch_right) = self.validation_loss(pairs)?;
            let count = pairs.len() as f64;
            (loss, right) = (loss + count * batch_loss, right + count * batch_right);
            for [content, _, target, out] in &self.one_step(pairs)? {
                output += level_free_distance_db(out, target, range_db);
                copy += level_free_distance_db(content, target, range_db);
            }
        }
        for pairs in with_the_next_style(&pairs).chunks(BATCH) {
            for [_, _, target, out] in &self.one_step(pairs)? {
                shuffled += level_free_distance_db(out, target, range_db);
            }
        }
        let count = pairs.len() as f64;
        let values = [
            ("diffusion", loss / count),
            ("label_accuracy", right / count),
            ("lsd_ratio_one_step", output / copy),
            ("lsd_ratio_shuffled_style", shuffled / copy),
        ];
        let values = BTreeMap::from(values.map(|(name, value)| (name.to_string(), value)));
        Ok(Metrics { monitor: output / copy, values })
    }

    fn panels(&mut self) -> Result<Option<ImageTable>> {
        let pairs: Vec<Pair> = self.validation.iter().take(6).copied().collect();
        let names = self.config.model.style.instruments.clone();
        let images = self.one_step(&pairs)?;
        let name =
            |p: &Pair| format!("{} to {}", names[p.content.instrument], names[p.target.instrument]);
        let rows = pairs.iter().zip(images).map(|(p, images)| (name(p), images.to_vec())).collect();
        Ok(Some(ImageTable {
            columns: ["content", "style", "target", "output (1 step)"].map(String::from).to_vec(),
            rows,
        }))
    }

    /// The autoencoder, also where the run started from a whole model.
    fn frozen(&self) -> Option<Checkpoint> {
        export::autoencoder(&self.base).ok()
    }

    fn export(&mut self, path: &Path, record: &Record) -> Result<()> {
        let mut checkpoint = Checkpoint::new(Kind::Model, &self.config.model)?;
        checkpoint.latent = self.base.latent.clone();
        let (data, trained_on) = self.ahead.batches().examples.provenance();
        checkpoint.provenance = serde_json::json!({
            "ldm": record.provenance,
            "autoencoder": self.base.provenance.get("autoencoder").unwrap_or(&self.base.provenance),
            data: trained_on,
            "instruments": self.config.model.style.instruments,
        });
        checkpoint.metrics = serde_json::json!({
            "ldm": record.metrics,
            "autoencoder": self.base.metrics.get("autoencoder").unwrap_or(&self.base.metrics),
        });
        checkpoint.tensors = export::autoencoder(&self.base)?.tensors;
        checkpoint.tensors.extend(stored(self.store.export()?));
        checkpoint.write(path, Precision::F32).context("model checkpoint")
    }
}

/// Every pair with the style of the next one.
fn with_the_next_style(pairs: &[Pair]) -> Vec<Pair> {
    let styles = pairs.iter().cycle().skip(1).map(|next| next.style);
    pairs.iter().zip(styles).map(|(pair, style)| Pair { style, ..*pair }).collect()
}
