//! `trainer train --model ldm`: trains style encoder and denoiser on the latents of a frozen
//! autoencoder.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use candle_core::Tensor;
use candle_nn::loss;
use engine::checkpoint::{Checkpoint, Kind, Precision};
use engine::diffusion::forward::ForwardDiffusion;
use engine::image::MelImage;
use engine::models::style::LABEL;
use engine::models::unet::Conditions;
use engine::models::{Denoiser, STYLE};
use engine::nn::candle::{Candle, ParamStore};

use super::setup::TaskSetup;
use crate::config::RunConfig;
use crate::data::dataset::{ImageSet, Pair};
use crate::diffusion::{Batch, DataLoader, Example, LatentCache, Mixture, Prefetcher};
use crate::export;
use crate::growth;
use crate::images::to_images;
use crate::level_free::level_free_distance_db;
use crate::losses::Losses;
use crate::losses::vggish::VggishFeatureLoss;
use crate::optim::Parameters;
use crate::plot::ImageTable;
use crate::train_loop::{Metrics, Record, Task};
use crate::weights::{fill, stored};

/// Images of a forward pass outside of training.
const BATCH: usize = 16;

/// Networks, data and losses of the diffusion model.
pub struct DiffusionTask {
    config: RunConfig,
    base: Checkpoint,
    batches: Prefetcher,
    forward: ForwardDiffusion,
    channel_weights: Tensor,
    feature_loss: Option<VggishFeatureLoss>,
    validation: Vec<Pair>,
    store: ParamStore,
    ops: Candle,
    nets: Denoiser<Candle>,
}

impl DiffusionTask {
    /// Opens the datasets and builds the networks.
    ///
    /// The setup's model file is a trained autoencoder or a whole model. The denoiser of a whole
    /// model is trained further. If the instruments of the data differ from those of the model,
    /// the instrument head has new weights.
    ///
    /// # Errors
    /// If a dataset or the model file cannot be used.
    pub fn new(setup: &TaskSetup<'_>) -> Result<Self> {
        let (mut config, device) = (setup.config.clone(), &setup.device);
        let autoencoder =
            setup.init.context("--init: expected the file of a trained autoencoder, found none")?;
        let folders = std::iter::once(&config.data).chain(&config.diffusion.extra_datasets);
        let data = Mixture::open(folders.map(Path::new))?;
        let base = Checkpoint::read(autoencoder)?;
        let trained = base.model_config()?;
        ensure!(
            trained.mel == *data.mel(),
            "{}: expected the dataset's mel config, {:?}, found {:?}",
            autoencoder.display(),
            data.mel(),
            trained.mel
        );
        config.model.mel = trained.mel;
        config.model.window = trained.window;
        config.model.autoencoder = trained.autoencoder;
        config.model.style.instruments = data.instruments().to_vec();
        config.model.validate()?;
        let ops = setup.executor();
        let latents = LatentCache::new(&base, &config.model, &ops, config.bf16_products())?;
        let mut store = ParamStore::new(device, config.seed);
        if base.kind == Kind::Model {
            let head = format!("{STYLE}.{LABEL}.");
            let same = trained.style.instruments == config.model.style.instruments;
            let kept = base.tensors.iter().filter(|(name, _)| same || !name.starts_with(&head));
            fill(&mut store, &growth::grow(kept, &config.model, config.seed)?);
        }
        let nets = Denoiser::load(&mut &mut store, &config.model)?;
        let channel_weights = latents.channel_weights(config.diffusion.channel_power, &ops)?;
        let forward = ForwardDiffusion::new(&config.model.diffusion)?;
        let validation = data.validation(config.validation_items, config.seed)?;
        let feature_loss = setup.feature_loss("style", config.loss.style, &config.model.mel)?;
        let loader = DataLoader::new(config.clone(), data, latents)?;
        let batches = Prefetcher::new(loader, config.steps)?;
        Ok(Self {
            config,
            base,
            batches,
            forward,
            channel_weights,
            feature_loss,
            validation,
            store,
            ops,
            nets,
        })
    }

    /// The batch of validation examples.
    fn batch(&self, examples: &[Example]) -> Result<Batch> {
        self.batches.loader().collate(examples)?.to_device(self.ops.device())
    }

    /// The prediction for a batch, `(B, H, W, C)`, and the logits of the style's instrument,
    /// `(B, instruments)`.
    fn predict(&mut self, batch: &Batch) -> Result<(Tensor, Tensor)> {
        let style = self.nets.style.forward(&mut self.ops, &batch.style)?;
        let [tokens, pooled, profile] = [&style.tokens, &style.pooled, &batch.profile]
            .map(|condition| condition.broadcast_mul(&batch.keep_style));
        let style_kv =
            self.nets.unet.precompute_style(&mut self.ops, &tokens?, &pooled?, Some(&profile?))?;
        let (content, mask, timestep) = (&batch.content, &batch.mask, &batch.timestep);
        let conditions = Conditions { content, mask, timestep, style: &style_kv };
        let prediction = self.nets.unet.forward(&mut self.ops, &batch.noisy, &conditions)?;
        let logits = style.logits.reshape((batch.labels.dim(0)?, ()))?;
        Ok((prediction, logits))
    }

    /// One denoising step from pure noise. Returns the images of content, style, target and output.
    fn one_step(&mut self, pairs: &[Pair]) -> Result<Vec<[MelImage; 4]>> {
        let last = self.config.model.diffusion.train_timesteps - 1;
        let example = |(i, pair): (usize, &Pair)| Example::plain(*pair, last, i as u64);
        let examples: Vec<Example> = pairs.iter().enumerate().map(example).collect();
        let batch = self.batch(&examples)?;
        let (prediction, _) = self.predict(&batch)?;
        let x0 = self.estimate(&batch, &prediction, last)?;
        let DataLoader { data, latents, .. } = &*self.batches.loader();
        let outputs = to_images(&latents.decode(&mut self.ops, &x0)?)?;
        let row = |(pair, output): (&Pair, MelImage)| {
            let [style, target] = [pair.style, pair.target].map(|at| data.mel_image(at));
            [data.content(pair), style, target, output]
        };
        Ok(pairs.iter().zip(outputs).map(row).collect())
    }

    /// Distance of the feature statistics of decoded estimates and targets: the student report's
    /// style loss.
    fn style_loss(&mut self, batch: &Batch, prediction: &Tensor) -> Result<Tensor> {
        // The estimate is linear in noisy latent and prediction. Unit inputs return both
        // coefficients.
        let coefficients = batch.timesteps.iter().map(|timestep| {
            let mut out = [0.0; 2];
            self.forward.x0(&[1.0, 0.0], &[0.0, 1.0], *timestep, &mut out);
            out
        });
        let (of_noisy, of_prediction): (Vec<f32>, Vec<f32>) =
            coefficients.map(|[a, b]| (a, b)).unzip();
        let count = batch.timesteps.len();
        let column = |values| Tensor::from_vec(values, (count, 1, 1, 1), self.ops.device());
        let estimate = batch
            .noisy
            .broadcast_mul(&column(of_noisy)?)?
            .add(&prediction.broadcast_mul(&column(of_prediction)?)?)?;
        let output = self.batches.loader().latents.decode(&mut self.ops, &estimate)?;
        let target = batch.target_images.as_ref().context("loss.style: no target images")?;
        let loss = self
            .feature_loss
            .as_mut()
            .context("loss.style: expected a feature network, found none")?;
        Ok(loss.style(&output, target)?)
    }

    /// The clean latents of a prediction.
    fn estimate(&self, batch: &Batch, prediction: &Tensor, timestep: usize) -> Result<Tensor> {
        let (x_t, prediction) = (
            batch.noisy.flatten_all()?.to_vec1::<f32>()?,
            prediction.flatten_all()?.to_vec1::<f32>()?,
        );
        let mut x0 = vec![0.0; x_t.len()];
        self.forward.x0(&x_t, &prediction, timestep, &mut x0);
        Ok(Tensor::from_vec(x0, batch.noisy.shape(), self.ops.device())?)
    }

    /// Diffusion loss and label accuracy of validation pairs at fixed timesteps.
    fn validation_loss(&mut self, pairs: &[Pair]) -> Result<(f64, f64)> {
        let steps = self.config.model.diffusion.train_timesteps;
        // A prime, so that the timesteps are spread evenly.
        let timestep = |i: usize| (i * 7919) % steps;
        let example = |(i, pair): (usize, &Pair)| Example::plain(*pair, timestep(i), i as u64);
        let examples: Vec<Example> = pairs.iter().enumerate().map(example).collect();
        let batch = self.batch(&examples)?;
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

    /// Weighted mean squared error of the prediction outside of the prefix.
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
        let batch = self.batches.batch_for_step(step)?.to_device(self.ops.device())?;
        let (prediction, logits) = self.predict(&batch)?;
        let (weights, mut losses) = (self.config.loss.clone(), Losses::default());
        losses.add("diffusion", weights.diffusion, || {
            self.prediction_loss(&batch, &prediction, &batch.weight)
        })?;
        losses.add("label", weights.label, || Ok(loss::cross_entropy(&logits, &batch.labels)?))?;
        losses.add("style", weights.style, || self.style_loss(&batch, &prediction))?;
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
        for pairs in with_shuffled_styles(&pairs).chunks(BATCH) {
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
        let name = |pair: &Pair| {
            let data = &self.batches.loader().data;
            let [content, target] = [pair.content, pair.target].map(|at| &names[data.label(at)]);
            format!("{content} to {target}")
        };
        let rows = pairs.iter().zip(images).map(|(p, images)| (name(p), images.to_vec())).collect();
        Ok(Some(ImageTable {
            columns: ["content", "style", "target", "output (1 step)"].map(String::from).to_vec(),
            rows,
        }))
    }

    /// The autoencoder, also if the run started from a whole model.
    fn frozen(&self) -> Option<Checkpoint> {
        export::autoencoder(&self.base).ok()
    }

    fn export(&mut self, path: &Path, record: &Record) -> Result<()> {
        let mut checkpoint = Checkpoint::new(Kind::Model, &self.config.model)?;
        checkpoint.latent = self.base.latent.clone();
        let (data, trained_on) = self.batches.loader().data.provenance();
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
fn with_shuffled_styles(pairs: &[Pair]) -> Vec<Pair> {
    let styles = pairs.iter().cycle().skip(1).map(|next| next.style);
    pairs.iter().zip(styles).map(|(pair, style)| Pair { style, ..*pair }).collect()
}
