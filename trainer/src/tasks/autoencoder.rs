//! `trainer train --model autoencoder`: trains encoder and decoder from the principal components
//! (`docs/decisions/027-autoencoder-principal-components.md`).

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use candle_core::Tensor;
use engine::checkpoint::{Checkpoint, Kind, LatentStats, Precision};
use engine::models::{Autoencoder, DECODER, ENCODER};
use engine::nn::candle::{Candle, ParamStore};
use rand::Rng;
use rand::seq::IndexedRandom;

use super::setup::TaskSetup;
use crate::config::RunConfig;
use crate::data::dataset::{ImageRef, ImageSet, Split};
use crate::data::open_dataset;
use crate::images::{image_batch, to_images};
use crate::losses::vggish::VggishFeatureLoss;
use crate::losses::{Losses, kl, l1, mse};
use crate::optim::Parameters;
use crate::plot::ImageTable;
use crate::principal_components::PrincipalComponents;
use crate::train_loop::{Metrics, Record, Task, step_rng};
use crate::weights::{fill, stored};

/// Training images for the principal components and the latent statistics.
const MEASURED_IMAGES: usize = 1500;
/// Batch size outside training steps.
const BATCH: usize = 16;

/// Training task of the autoencoder.
pub struct AutoencoderTask {
    config: RunConfig,
    data: Box<dyn ImageSet>,
    train: Vec<ImageRef>,
    validation: Vec<ImageRef>,
    store: ParamStore,
    ops: Candle,
    nets: Autoencoder<Candle>,
    feature_loss: Option<VggishFeatureLoss>,
    pca_mse: f64,
}

impl AutoencoderTask {
    /// New networks from the principal components, or the weights of the setup's model file.
    ///
    /// # Errors
    /// If the dataset or the model file cannot be read, or a split is empty.
    pub fn new(setup: &TaskSetup<'_>) -> Result<Self> {
        let (mut config, device) = (setup.config.clone(), &setup.device);
        let data = open_dataset(Path::new(&config.data))?;
        // The dataset defines the mel front end and the window.
        config.model.mel = data.mel().clone();
        config.model.window = *data.window();
        config.model.style.instruments = data.instruments().to_vec();
        config.model.validate()?;
        let (train, mut validation) = (data.images(Split::Train), data.images(Split::Validation));
        ensure!(
            !train.is_empty() && !validation.is_empty(),
            "dataset: expected training and validation images, found none"
        );
        let stride = (validation.len() / config.validation_items).max(1);
        validation = validation.into_iter().step_by(stride).take(config.validation_items).collect();
        let floats = |refs: &mut dyn Iterator<Item = &ImageRef>| -> Vec<Vec<f32>> {
            refs.map(|&at| data.image(at).iter().map(|b| f32::from(*b) / 255.0).collect()).collect()
        };
        let fitted = floats(
            &mut train.iter().step_by((train.len() / MEASURED_IMAGES).max(1)).take(MEASURED_IMAGES),
        );
        let (width, side) = (data.window().frames, config.model.autoencoder.reduction());
        let pca = PrincipalComponents::fit(
            &fitted,
            width,
            side,
            config.model.autoencoder.latent_channels,
        )?;
        let pca_mse = pca.mse(&floats(&mut validation.iter()), width);
        let mut store = ParamStore::new(device, config.seed);
        match setup.init {
            Some(path) => fill(&mut store, &Checkpoint::read(path)?.tensors),
            None => start_linear(&mut store, &pca),
        }
        let nets = Autoencoder::load(&mut &mut store, &config.model.autoencoder)?;
        let feature_loss =
            setup.feature_loss("perceptual", config.loss.perceptual, &config.model.mel)?;
        let ops = setup.executor();
        Ok(Self { config, data, train, validation, store, ops, nets, feature_loss, pca_mse })
    }

    fn reconstruct(&mut self, refs: &[ImageRef]) -> Result<(Tensor, Tensor)> {
        let x = image_batch(self.data.as_ref(), refs, self.ops.device())?;
        let z = self.nets.encoder.forward(&mut self.ops, &x)?.detach();
        let y = self.nets.decoder.forward(&mut self.ops, &z)?.detach();
        Ok((x, y))
    }

    /// Mean and standard deviation of each latent channel over training images.
    fn latent_statistics(&mut self) -> Result<LatentStats> {
        let channels = self.config.model.autoencoder.latent_channels;
        let (mut sum, mut square, mut count) = (vec![0f64; channels], vec![0f64; channels], 0.0);
        let stride = (self.train.len() / MEASURED_IMAGES).max(1);
        let refs: Vec<ImageRef> =
            self.train.iter().step_by(stride).take(MEASURED_IMAGES).copied().collect();
        for refs in refs.chunks(BATCH) {
            let x = image_batch(self.data.as_ref(), refs, self.ops.device())?;
            let z = self
                .nets
                .encoder
                .forward(&mut self.ops, &x)?
                .detach()
                .flatten_all()?
                .to_vec1::<f32>()?;
            for position in z.chunks_exact(channels) {
                for (c, v) in position.iter().enumerate() {
                    sum[c] += f64::from(*v);
                    square[c] += f64::from(*v).powi(2);
                }
                count += 1.0;
            }
        }
        let mean: Vec<f64> = sum.iter().map(|s| s / count).collect();
        let std = mean
            .iter()
            .zip(&square)
            .map(|(m, s)| (s / count - m * m).max(1e-12).sqrt() as f32)
            .collect();
        Ok(LatentStats { mean: mean.into_iter().map(|m| m as f32).collect(), std })
    }
}

/// Initialises the linear paths of encoder and decoder with the principal components.
fn start_linear(store: &mut ParamStore, pca: &PrincipalComponents) {
    let (size, count) = (pca.side * pca.side, pca.components.len());
    let ((analysis, bias), (synthesis, mean)) = (pca.analysis(), pca.synthesis());
    store.insert(format!("{ENCODER}.linear.weight"), vec![count, size], analysis);
    store.insert(format!("{ENCODER}.linear.bias"), vec![count], bias);
    store.insert(format!("{DECODER}.linear.weight"), vec![size, count], synthesis);
    store.insert(format!("{DECODER}.linear.bias"), vec![size], mean);
}

impl Task for AutoencoderTask {
    fn name(&self) -> &'static str {
        "autoencoder"
    }

    fn parameters(&self) -> Parameters {
        self.store.variables()
    }

    fn step(&mut self, step: u64) -> Result<Losses> {
        let rng = &mut step_rng(self.config.seed, step);
        let refs: Vec<ImageRef> = (0..self.config.batch)
            .map(|_| *self.train.choose(rng).expect("checked in new"))
            .collect();
        let x = image_batch(self.data.as_ref(), &refs, self.ops.device())?;
        let z = self.nets.encoder.forward(&mut self.ops, &x)?;
        let noise = engine::diffusion::noise::gaussian(rng.random(), 0, z.elem_count(), 1);
        let noise =
            (Tensor::from_vec(noise, z.shape(), self.ops.device())? * self.config.latent_noise)?;
        let y = self.nets.decoder.forward(&mut self.ops, &(&z + noise)?)?;
        let (weights, mut losses) = (&self.config.loss, Losses::default());
        losses.add("mse", weights.mse, || Ok(mse::mse(&y, &x)?))?;
        losses.add("l1", weights.l1, || Ok(l1::l1(&y, &x)?))?;
        losses.add("kl", weights.kl, || Ok(kl::kl(&z)?))?;
        if let Some(feature_loss) = &mut self.feature_loss {
            losses.add(
                "perceptual",
                weights.perceptual,
                || Ok(feature_loss.perceptual(&y, &x)?),
            )?;
        }
        Ok(losses)
    }

    fn validate(&mut self) -> Result<Metrics> {
        let (mut error, mut items) = (0.0, 0.0);
        for refs in self.validation.clone().chunks(BATCH) {
            let (x, y) = self.reconstruct(refs)?;
            error += f64::from(mse::mse(&y.clamp(0f32, 1f32)?, &x)?.to_scalar::<f32>()?)
                * refs.len() as f64;
            items += refs.len() as f64;
        }
        let mse = error / items;
        let values = BTreeMap::from([
            ("mse".to_string(), mse),
            ("mse_principal_components".to_string(), self.pca_mse),
            ("rmse_db".to_string(), mse.sqrt() * f64::from(self.config.model.mel.range_db)),
        ]);
        Ok(Metrics { monitor: mse, values })
    }

    fn panels(&mut self) -> Result<Option<ImageTable>> {
        let stride = (self.validation.len() / 4).max(1);
        let refs: Vec<ImageRef> = self.validation.iter().step_by(stride).take(4).copied().collect();
        let (x, y) = self.reconstruct(&refs)?;
        let names = self.data.instruments();
        let rows = to_images(&x)?.into_iter().zip(to_images(&y)?).zip(&refs);
        let rows = rows.map(|((x, y), at)| (names[at.instrument].clone(), vec![x, y])).collect();
        Ok(Some(ImageTable { columns: vec!["image".into(), "reconstruction".into()], rows }))
    }

    fn export(&mut self, path: &Path, record: &Record) -> Result<()> {
        let latent = self.latent_statistics()?;
        let mut checkpoint = Checkpoint::new(Kind::Autoencoder, &self.config.model)?;
        checkpoint.latent = latent;
        checkpoint.provenance = record.provenance.clone();
        checkpoint.metrics = record.metrics.clone();
        checkpoint.tensors = stored(self.store.export()?);
        checkpoint.write(path, Precision::F32).context("autoencoder checkpoint")
    }
}
