//! `trainer train --model ldm`: style encoder and denoiser on the frozen autoencoder's latents.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use candle_core::{Device, Tensor};
use engine::checkpoint::{Checkpoint, Kind, Precision};
use engine::diffusion::forward::ForwardDiffusion;
use engine::diffusion::noise;
use engine::image::MelImage;
use engine::models::position::SinusoidalPositionEmbedding;
use engine::models::unet::{Conditions, MASK_CHANNELS};
use engine::models::{Autoencoder, Denoiser};
use engine::nn::candle::{Candle, ParamStore};
use half::f16;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::autoencoder::{fill, image_batch, stored, to_images};
use crate::config::RunConfig;
use crate::data::dataset::{ImageRef, SpectrogramDataset};
use crate::data::description::Split;
use crate::data::pairs::{Pair, SpectrogramPairDataset};
use crate::level_free::level_free_distance_db;
use crate::losses::vggish::VggishFeatureLoss;
use crate::losses::{Losses, label};
use crate::optim::Parameters;
use crate::plot::Panels;
use crate::train::Setup;
use crate::train_loop::{Metrics, Record, Task};

/// Images a forward pass outside training.
const BATCH: usize = 16;

/// The task.
pub struct DiffusionTask {
    config: RunConfig,
    data: SpectrogramDataset,
    base: Checkpoint,
    autoencoder: Autoencoder<Candle>,
    latents: HashMap<ImageRef, Vec<f16>>,
    dims: [usize; 3],
    forward: ForwardDiffusion,
    channel_weights: Tensor,
    listener: Option<VggishFeatureLoss>,
    validation: Vec<Pair>,
    store: ParamStore,
    ops: Candle,
    nets: Denoiser<Candle>,
}

/// One batch, ready for the denoiser.
struct Batch {
    noisy: Tensor,
    content: Tensor,
    mask: Tensor,
    timestep: Tensor,
    style: Tensor,
    /// 0 where the style is dropped, `(B, 1, 1, 1)`.
    keep_style: Tensor,
    target: Tensor,
    /// 1 where the loss counts: not in the prefix, `(B, H, W, 1)`.
    counts: Tensor,
    labels: Tensor,
}

/// Random choices of one example.
struct Draw {
    timestep: usize,
    prefix_columns: usize,
    keep_style: bool,
    keep_content: bool,
    noise_seed: u64,
}

impl DiffusionTask {
    /// The setup's model file is a trained autoencoder, or a whole model, whose denoiser is then trained on.
    pub fn new(setup: &Setup<'_>) -> Result<Self> {
        let (mut config, device) = (setup.config.clone(), &setup.device);
        let autoencoder =
            setup.init.context("--init: expected the file of a trained autoencoder, found none")?;
        let data = SpectrogramDataset::open(Path::new(&config.data))?;
        let base = Checkpoint::read(autoencoder)?;
        let trained = base.model_config()?;
        ensure!(
            trained.mel == data.description.mel,
            "{}: expected the dataset's mel config",
            autoencoder.display()
        );
        config.model.mel = trained.mel;
        config.model.window = trained.window;
        config.model.autoencoder = trained.autoencoder;
        config.model.style.instruments = data.description.instruments.clone();
        config.model.validate()?;
        let mut frozen = ParamStore::frozen(device);
        fill(&mut frozen, &base.tensors);
        let autoencoder = Autoencoder::load(&mut &mut frozen, &config.model.autoencoder)?;
        let mut store = ParamStore::new(device, config.seed);
        if base.kind == Kind::Model {
            fill(&mut store, &base.tensors);
        }
        let nets = Denoiser::load(&mut &mut store, &config.model)?;
        let r = config.model.autoencoder.reduction();
        let dims = [
            config.model.mel.n_mels / r,
            config.model.window.frames / r,
            config.model.autoencoder.latent_channels,
        ];
        let channel_weights = channel_weights(&base.latent.std, config.diffusion.channel_power, device)?;
        let forward = ForwardDiffusion::new(&config.model.diffusion)?;
        let validation = validation_pairs(&data, &config)?;
        let ops = Candle::new(device.clone());
        let latents = HashMap::new();
        let mut task = Self {
            config,
            data,
            base,
            autoencoder,
            latents,
            dims,
            forward,
            channel_weights,
            listener: setup.listener("style", setup.config.loss.style)?,
            validation,
            store,
            ops,
            nets,
        };
        task.encode_all()?;
        Ok(task)
    }

    /// Encodes the images of training and validation once: the encoder is frozen.
    fn encode_all(&mut self) -> Result<()> {
        let mut refs = self.data.images(Split::Train);
        refs.extend(self.data.images(Split::Validation));
        for refs in refs.chunks(BATCH) {
            let x = image_batch(&self.data, refs, self.ops.device())?;
            let z = self.autoencoder.encoder.forward(&mut self.ops, &x)?.flatten_all()?.to_vec1::<f32>()?;
            let size = z.len() / refs.len();
            for (at, z) in refs.iter().zip(z.chunks_exact(size)) {
                let latent = &self.base.latent;
                let standard = z.iter().enumerate().map(|(i, v)| {
                    let c = i % latent.mean.len();
                    f16::from_f32((v - latent.mean[c]) / latent.std[c])
                });
                self.latents.insert(*at, standard.collect());
            }
        }
        Ok(())
    }

    fn latent(&self, at: ImageRef) -> Vec<f32> {
        self.latents[&at].iter().map(|v| v.to_f32()).collect()
    }

    /// Sets values of all leading `columns` of a `(H, W, C)` slice.
    fn fill_prefix(&self, columns: usize, channels: usize, values: &mut [f32], from: &[f32]) {
        let row = self.dims[1] * channels;
        for (values, from) in values.chunks_exact_mut(row).zip(from.chunks_exact(row)) {
            values[..columns * channels].copy_from_slice(&from[..columns * channels]);
        }
    }

    fn batch(&self, pairs: &[Pair], draws: &[Draw]) -> Result<Batch> {
        let [h, w, c] = self.dims;
        let (count, size, device) = (pairs.len(), h * w * c, self.ops.device());
        let (mut noisy, mut content, mut target) = (Vec::new(), Vec::new(), Vec::new());
        let (mut mask, mut counts, mut timestep) = (Vec::new(), Vec::new(), Vec::new());
        for (pair, draw) in pairs.iter().zip(draws) {
            let (x0, noise) = (self.latent(pair.target), noise::gaussian(draw.noise_seed, 0, size, 1));
            let (mut x_t, mut wanted) = (vec![0.0; size], vec![0.0; size]);
            self.forward.q_sample(&x0, &noise, draw.timestep, &mut x_t);
            self.forward.target(&x0, &noise, draw.timestep, &mut wanted);
            self.fill_prefix(draw.prefix_columns, c, &mut x_t, &x0);
            noisy.extend(x_t);
            target.extend(wanted);
            match draw.keep_content {
                true => content.extend(self.latent(pair.content)),
                false => content.resize(content.len() + size, 0.0),
            }
            let given = f32::from(u8::from(draw.keep_content));
            for position in 0..h * w {
                let in_prefix = position % w < draw.prefix_columns;
                mask.extend([f32::from(u8::from(in_prefix)), given]);
                counts.push(f32::from(u8::from(!in_prefix)));
            }
            let t = draw.timestep as f32;
            timestep.extend(SinusoidalPositionEmbedding::embed(t, SinusoidalPositionEmbedding::TIMESTEP_DIM));
        }
        let styles: Vec<ImageRef> = pairs.iter().map(|p| p.style).collect();
        let keep: Vec<f32> = draws.iter().map(|d| f32::from(u8::from(d.keep_style))).collect();
        let labels: Vec<u32> = pairs.iter().map(|p| p.style.instrument as u32).collect();
        Ok(Batch {
            noisy: Tensor::from_vec(noisy, (count, h, w, c), device)?,
            content: Tensor::from_vec(content, (count, h, w, c), device)?,
            mask: Tensor::from_vec(mask, (count, h, w, MASK_CHANNELS), device)?,
            timestep: Tensor::from_vec(
                timestep,
                (count, 1, 1, SinusoidalPositionEmbedding::TIMESTEP_DIM),
                device,
            )?,
            style: image_batch(&self.data, &styles, device)?,
            keep_style: Tensor::from_vec(keep, (count, 1, 1, 1), device)?,
            target: Tensor::from_vec(target, (count, h, w, c), device)?,
            counts: Tensor::from_vec(counts, (count, h, w, 1), device)?,
            labels: Tensor::from_vec(labels, count, device)?,
        })
    }

    /// Prediction for a batch, and the style's instrument logits `(B, instruments)`.
    fn predict(&mut self, batch: &Batch) -> Result<(Tensor, Tensor)> {
        let style = self.nets.style.forward(&mut self.ops, &batch.style)?;
        let conditions = Conditions {
            content: &batch.content,
            mask: &batch.mask,
            timestep: &batch.timestep,
            tokens: &style.tokens.broadcast_mul(&batch.keep_style)?,
            pooled: &style.pooled.broadcast_mul(&batch.keep_style)?,
        };
        let prediction = self.nets.unet.forward(&mut self.ops, &batch.noisy, &conditions)?;
        let logits = style.logits.reshape((batch.labels.dim(0)?, ()))?;
        Ok((prediction, logits))
    }

    fn draw(&self, rng: &mut ChaCha8Rng) -> Draw {
        let (training, window) = (&self.config.diffusion, &self.config.model.window);
        let last = self.config.model.diffusion.train_timesteps - 1;
        let prefix = window.prefix_frames / self.config.model.autoencoder.reduction();
        Draw {
            timestep: if rng.random_bool(training.terminal_share) {
                last
            } else {
                rng.random_range(0..=last)
            },
            prefix_columns: if rng.random_bool(training.prefix_probability) { prefix } else { 0 },
            keep_style: !rng.random_bool(training.style_drop),
            keep_content: !rng.random_bool(training.content_drop),
            noise_seed: rng.random(),
        }
    }

    /// One denoising step from pure noise: the model's mean, as images beside content and target.
    fn one_step(&mut self, pairs: &[Pair], shuffle_style: bool) -> Result<Vec<[MelImage; 4]>> {
        let last = self.config.model.diffusion.train_timesteps - 1;
        let mut pairs = pairs.to_vec();
        if shuffle_style {
            let styles: Vec<ImageRef> = pairs.iter().map(|p| p.style).collect();
            let count = pairs.len();
            pairs.iter_mut().enumerate().for_each(|(i, p)| p.style = styles[(i + 1) % count]);
        }
        let draw = |i: usize| Draw {
            timestep: last,
            prefix_columns: 0,
            keep_style: true,
            keep_content: true,
            noise_seed: i as u64,
        };
        let draws: Vec<Draw> = (0..pairs.len()).map(draw).collect();
        let batch = self.batch(&pairs, &draws)?;
        let (prediction, _) = self.predict(&batch)?;
        let x0 = self.estimate(&batch, &prediction, last)?;
        let device = self.ops.device().clone();
        let outputs = to_images(&self.decode(&x0)?)?;
        let role = |of: fn(&Pair) -> ImageRef| -> Result<Vec<MelImage>> {
            to_images(&image_batch(&self.data, &pairs.iter().map(of).collect::<Vec<_>>(), &device)?)
        };
        let (contents, styles, targets) = (role(|p| p.content)?, role(|p| p.style)?, role(|p| p.target)?);
        let rows = contents.into_iter().zip(styles).zip(targets).zip(outputs);
        Ok(rows.map(|(((content, style), target), output)| [content, style, target, output]).collect())
    }

    /// Standardised latent `(B, H, W, C)` -> images `(B, n_mels, frames, 1)`, not clipped.
    fn decode(&mut self, latent: &Tensor) -> Result<Tensor> {
        let device = self.ops.device();
        let (mean, std) = (&self.base.latent.mean, &self.base.latent.std);
        let (mean, std) =
            (Tensor::from_slice(mean, mean.len(), device)?, Tensor::from_slice(std, std.len(), device)?);
        let raw = latent.broadcast_mul(&std)?.broadcast_add(&mean)?;
        Ok(self.autoencoder.decoder.forward(&mut self.ops, &raw)?)
    }

    /// Distance of the feature statistics of the decoded estimates and of the targets (the reports' style loss, with its
    /// gradient).
    fn style_loss(
        &mut self,
        batch: &Batch,
        pairs: &[Pair],
        draws: &[Draw],
        prediction: &Tensor,
    ) -> Result<Tensor> {
        // An estimate is linear in the noisy latent and the prediction: two unit inputs tell the coefficients.
        let coefficients = draws.iter().map(|draw| {
            let mut out = [0.0; 2];
            self.forward.x0(&[1.0, 0.0], &[0.0, 1.0], draw.timestep, &mut out);
            out
        });
        let (of_noisy, of_prediction): (Vec<f32>, Vec<f32>) = coefficients.map(|[a, b]| (a, b)).unzip();
        let column = |values| Tensor::from_vec(values, (draws.len(), 1, 1, 1), self.ops.device());
        let estimate = batch
            .noisy
            .broadcast_mul(&column(of_noisy)?)?
            .add(&prediction.broadcast_mul(&column(of_prediction)?)?)?;
        let output = self.decode(&estimate)?;
        let targets: Vec<ImageRef> = pairs.iter().map(|pair| pair.target).collect();
        let target = image_batch(&self.data, &targets, self.ops.device())?;
        let listener =
            self.listener.as_mut().context("loss.style: expected a feature network, found none")?;
        Ok(listener.style(&output, &target)?)
    }

    /// The clean latent that a prediction stands for.
    fn estimate(&self, batch: &Batch, prediction: &Tensor, timestep: usize) -> Result<Tensor> {
        let (x_t, prediction) =
            (batch.noisy.flatten_all()?.to_vec1::<f32>()?, prediction.flatten_all()?.to_vec1::<f32>()?);
        let mut x0 = vec![0.0; x_t.len()];
        self.forward.x0(&x_t, &prediction, timestep, &mut x0);
        Ok(Tensor::from_vec(x0, batch.noisy.shape(), self.ops.device())?)
    }

    /// Diffusion loss and label accuracy over validation pairs at fixed timesteps.
    fn validation_loss(&mut self, pairs: &[Pair]) -> Result<(f64, f64)> {
        let steps = self.config.model.diffusion.train_timesteps;
        let draw = |i: usize| Draw {
            timestep: (i * 7919) % steps,
            prefix_columns: 0,
            keep_style: true,
            keep_content: true,
            noise_seed: i as u64,
        };
        let draws: Vec<Draw> = (0..pairs.len()).map(draw).collect();
        let batch = self.batch(pairs, &draws)?;
        let (prediction, logits) = self.predict(&batch)?;
        let loss = self.prediction_loss(&batch, &prediction)?.to_scalar::<f32>()?;
        let right = logits
            .argmax(1)?
            .eq(&batch.labels)?
            .to_dtype(candle_core::DType::F32)?
            .mean_all()?
            .to_scalar::<f32>()?;
        Ok((f64::from(loss), f64::from(right)))
    }

    /// Mean squared error of the prediction outside the prefix, channels weighted.
    fn prediction_loss(&self, batch: &Batch, prediction: &Tensor) -> Result<Tensor> {
        let error = prediction
            .sub(&batch.target)?
            .sqr()?
            .broadcast_mul(&self.channel_weights)?
            .broadcast_mul(&batch.counts)?;
        let share = batch.counts.mean_all()?;
        Ok(error.mean_all()?.div(&share)?)
    }
}

/// `std^power`, scaled to mean 1: a channel that spreads wide moves the image more than one that does not.
fn channel_weights(std: &[f32], power: f64, device: &Device) -> Result<Tensor> {
    let raw: Vec<f64> = std.iter().map(|s| f64::from(*s).powf(power)).collect();
    let mean = raw.iter().sum::<f64>() / raw.len() as f64;
    let weights: Vec<f32> = raw.iter().map(|v| (v / mean) as f32).collect();
    Ok(Tensor::from_vec(weights, std.len(), device)?)
}

/// The same pairs at every validation: content and target of different instruments.
fn validation_pairs(data: &SpectrogramDataset, config: &RunConfig) -> Result<Vec<Pair>> {
    let pairs = SpectrogramPairDataset::new(data, Split::Validation, config.seed)?;
    let drawn = (0..20 * config.validation_items as u64).map(|i| pairs.pair(i));
    Ok(drawn.filter(|p| p.content.instrument != p.target.instrument).take(config.validation_items).collect())
}

impl Task for DiffusionTask {
    fn name(&self) -> &'static str {
        "ldm"
    }

    fn parameters(&self) -> Parameters {
        self.store.variables()
    }

    fn step(&mut self, rng: &mut ChaCha8Rng) -> Result<Losses> {
        let sampler = SpectrogramPairDataset::new(&self.data, Split::Train, self.config.seed)?;
        let pairs: Vec<Pair> = (0..self.config.batch).map(|_| sampler.sample(rng)).collect();
        let draws: Vec<Draw> = pairs.iter().map(|_| self.draw(rng)).collect();
        let batch = self.batch(&pairs, &draws)?;
        let (prediction, logits) = self.predict(&batch)?;
        let (weights, mut losses) = (self.config.loss.clone(), Losses::default());
        losses.add("diffusion", weights.diffusion, || self.prediction_loss(&batch, &prediction))?;
        losses.add("label", weights.label, || Ok(label::label(&logits, &batch.labels)?))?;
        losses.add("style", weights.style, || self.style_loss(&batch, &pairs, &draws, &prediction))?;
        Ok(losses)
    }

    fn validate(&mut self) -> Result<Metrics> {
        let (mut loss, mut right, mut batches) = (0.0, 0.0, 0.0);
        let (mut output, mut shuffled, mut copy) = (0.0, 0.0, 0.0);
        let range_db = self.config.model.mel.range_db;
        for pairs in self.validation.clone().chunks(BATCH) {
            let (batch_loss, batch_right) = self.validation_loss(pairs)?;
            (loss, right, batches) = (loss + batch_loss, right + batch_right, batches + 1.0);
            for [content, _, target, out] in &self.one_step(pairs, false)? {
                output += level_free_distance_db(out, target, range_db);
                copy += level_free_distance_db(content, target, range_db);
            }
            for [_, _, target, out] in &self.one_step(pairs, true)? {
                shuffled += level_free_distance_db(out, target, range_db);
            }
        }
        let values = [
            ("diffusion", loss / batches),
            ("label_accuracy", right / batches),
            ("lsd_ratio_one_step", output / copy),
            ("lsd_ratio_shuffled_style", shuffled / copy),
        ];
        let values = BTreeMap::from(values.map(|(name, value)| (name.to_string(), value)));
        Ok(Metrics { monitor: output / copy, values })
    }

    fn panels(&mut self) -> Result<Option<Panels>> {
        let pairs: Vec<Pair> = self.validation.iter().take(6).copied().collect();
        let names = &self.data.description.instruments.clone();
        let images = self.one_step(&pairs, false)?;
        let name = |p: &Pair| format!("{} to {}", names[p.content.instrument], names[p.target.instrument]);
        let rows = pairs.iter().zip(images).map(|(p, images)| (name(p), images.to_vec())).collect();
        Ok(Some(Panels {
            columns: ["content", "style", "target", "output (1 step)"].map(String::from).to_vec(),
            rows,
        }))
    }

    fn export(&mut self, path: &Path, record: &Record) -> Result<()> {
        let mut checkpoint = Checkpoint::new(Kind::Model, &self.config.model)?;
        checkpoint.latent = self.base.latent.clone();
        checkpoint.provenance = serde_json::json!({
            "ldm": record.provenance,
            "autoencoder": self.base.provenance.get("autoencoder").unwrap_or(&self.base.provenance),
            "soundfonts": self.data.description.soundfonts,
            "instruments": self.data.description.instruments,
        });
        checkpoint.metrics = serde_json::json!({
            "ldm": record.metrics,
            "autoencoder": self.base.metrics.get("autoencoder").unwrap_or(&self.base.metrics),
        });
        checkpoint.tensors = self.base.tensors.clone();
        checkpoint.tensors.extend(stored(self.store.export()?));
        checkpoint.write(path, Precision::F32).context("model checkpoint")
    }
}
