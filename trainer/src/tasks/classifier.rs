//! Trains the classifier on a dataset's images.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use candle_core::{D, Tensor};
use engine::checkpoint::{Checkpoint, Kind, Precision};
use engine::nn::candle::{Candle, ParamStore};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::setup::TaskSetup;
use crate::classifier::{Classifier, ClassifierShape};
use crate::config::ClassifierConfig;
use crate::data::dataset::{ImageRef, ImageSet, Split};
use crate::data::open_dataset;
use crate::losses::{Losses, label};
use crate::optim::Parameters;
use crate::plot::ImageTable;
use crate::train_loop::{Metrics, Record, Task, step_rng};
use crate::weights::{fill, stored};

/// Batch size of the validation.
const VALIDATION_BATCH: usize = 32;

/// Dataset and network of a classifier run.
pub struct ClassifierTask {
    dataset: Box<dyn ImageSet>,
    training: Vec<ImageRef>,
    validation: Vec<ImageRef>,
    batch: usize,
    seed: u64,
    augmentation: ClassifierConfig,
    shape: ClassifierShape,
    ops: Candle,
    weights: ParamStore,
    network: Classifier<Candle>,
}

impl ClassifierTask {
    /// Opens the dataset and builds the network, from a model file if the setup contains one.
    ///
    /// # Errors
    /// If a file cannot be read or a split has no sounding windows.
    pub fn new(setup: &TaskSetup<'_>) -> Result<Self> {
        let config = setup.config;
        let dataset = open_dataset(Path::new(&config.data))?;
        let shape = ClassifierShape {
            mel: dataset.mel().clone(),
            frames: dataset.window().frames,
            channels: config.classifier.channels.clone(),
            instruments: dataset.instruments().to_vec(),
        };
        shape.validate()?;
        let mut weights = ParamStore::new(&setup.device, config.seed);
        if let Some(path) = setup.init {
            let checkpoint = Checkpoint::read(path)?;
            checkpoint.require(Kind::Classifier)?;
            fill(&mut weights, &checkpoint.tensors);
        }
        let network = Classifier::load(&mut &mut weights, &shape)?;
        let training = sounding(dataset.as_ref(), Split::Train, usize::MAX)?;
        let validation = sounding(dataset.as_ref(), Split::Validation, config.validation_items)?;
        Ok(Self {
            dataset,
            training,
            validation,
            batch: config.batch,
            seed: config.seed,
            augmentation: config.classifier.clone(),
            shape,
            ops: setup.executor(),
            weights,
            network,
        })
    }

    /// Images `(B, n_mels, frames, 1)` and labels `(B)`; augmented if `rng` is present.
    fn tensors(
        &self,
        refs: &[ImageRef],
        mut rng: Option<&mut ChaCha8Rng>,
    ) -> Result<(Tensor, Tensor)> {
        let (n_mels, frames) = (self.shape.mel.n_mels, self.shape.frames);
        let mut pixels = Vec::with_capacity(refs.len() * n_mels * frames);
        for &at in refs {
            let start = pixels.len();
            self.dataset.extend_f32(at, &mut pixels);
            if let Some(rng) = rng.as_deref_mut() {
                augment(
                    &mut pixels[start..],
                    frames,
                    self.shape.mel.range_db,
                    &self.augmentation,
                    rng,
                );
            }
        }
        let labels: Vec<u32> = refs.iter().map(|at| at.instrument as u32).collect();
        let device = self.ops.device();
        let images = Tensor::from_vec(pixels, (refs.len(), n_mels, frames, 1), device)?;
        Ok((images, Tensor::from_vec(labels, refs.len(), device)?))
    }

    /// `(B, n_mels, frames, 1)` -> `(B, instruments)`.
    fn logits(&mut self, images: &Tensor) -> Result<Tensor> {
        Ok(self.network.forward(&mut self.ops, images)?.flatten_from(1)?)
    }
}

/// Up to `count` evenly spaced windows of a split that are not silent.
fn sounding(dataset: &dyn ImageSet, split: Split, count: usize) -> Result<Vec<ImageRef>> {
    let all: Vec<_> = dataset.images(split).into_iter().filter(|at| dataset.sounds(*at)).collect();
    anyhow::ensure!(
        !all.is_empty(),
        "dataset: expected windows that sound in split {split:?}, found none"
    );
    let count = count.clamp(1, all.len());
    Ok((0..count).map(|i| all[i * all.len() / count]).collect())
}

/// Changes level, tilt and noise floor of an image, which do not depend on the instrument.
fn augment(
    image: &mut [f32],
    frames: usize,
    range_db: f32,
    config: &ClassifierConfig,
    rng: &mut ChaCha8Rng,
) {
    let mut jitter = |db: f32| if db > 0.0 { rng.random_range(-db..db) / range_db } else { 0.0 };
    let (level, tilt) = (jitter(config.level_jitter_db), jitter(config.tilt_jitter_db));
    let noise = jitter(config.noise_db).abs();
    let n_mels = image.len() / frames;
    for (mel, row) in image.chunks_exact_mut(frames).enumerate() {
        let change = level + tilt * (2.0 * mel as f32 / (n_mels - 1).max(1) as f32 - 1.0);
        for value in row {
            // A value at the floor stays there, because the level below it is not in the image.
            let changed = if *value > 0.0 { *value + change } else { *value };
            *value = (changed + noise * rng.random_range(-1.0..1.0f32)).clamp(0.0, 1.0);
        }
    }
}

impl Task for ClassifierTask {
    fn name(&self) -> &'static str {
        "classifier"
    }

    fn parameters(&self) -> Parameters {
        self.weights.variables()
    }

    fn step(&mut self, step: u64) -> Result<Losses> {
        let rng = &mut step_rng(self.seed, step);
        let refs: Vec<_> = (0..self.batch)
            .map(|_| self.training[rng.random_range(0..self.training.len())])
            .collect();
        let (images, labels) = self.tensors(&refs, Some(rng))?;
        let logits = self.logits(&images)?;
        let mut losses = Losses::default();
        losses.add("label", 1.0, || Ok(label::label(&logits, &labels)?))?;
        Ok(losses)
    }

    fn validate(&mut self) -> Result<Metrics> {
        let refs = self.validation.clone();
        let classes = self.shape.instruments.len();
        let (mut cross_entropy, mut correct, mut counts) =
            (0.0, vec![0.0; classes], vec![0.0; classes]);
        for chunk in refs.chunks(VALIDATION_BATCH) {
            let (images, labels) = self.tensors(chunk, None)?;
            let logits = self.logits(&images)?;
            cross_entropy +=
                f64::from(label::label(&logits, &labels)?.to_scalar::<f32>()?) * chunk.len() as f64;
            for (at, class) in chunk.iter().zip(logits.argmax(D::Minus1)?.to_vec1::<u32>()?) {
                counts[at.instrument] += 1.0;
                correct[at.instrument] += f64::from(u8::from(class as usize == at.instrument));
            }
        }
        let cross_entropy = cross_entropy / refs.len() as f64;
        let accuracy = correct.iter().sum::<f64>() / refs.len() as f64;
        let mut values = BTreeMap::from([
            ("cross_entropy".into(), cross_entropy),
            ("accuracy".into(), accuracy),
        ]);
        for ((name, correct), count) in
            self.shape.instruments.iter().zip(correct).zip(counts).filter(|(_, count)| *count > 0.0)
        {
            values.insert(format!("accuracy.{name}"), correct / count);
        }
        Ok(Metrics { monitor: cross_entropy, values })
    }

    fn panels(&mut self) -> Result<Option<ImageTable>> {
        Ok(None)
    }

    fn export(&mut self, path: &Path, record: &Record) -> Result<()> {
        let mut checkpoint = Checkpoint::new(Kind::Classifier, &self.shape)?;
        checkpoint.provenance = record.provenance.clone();
        checkpoint.metrics = record.metrics.clone();
        checkpoint.tensors = stored(self.weights.export()?);
        checkpoint.write(path, Precision::F16).context("classifier")
    }
}
