//! Creates the batches of a training run.

use anyhow::Result;
use candle_core::Device;
use engine::diffusion::forward::ForwardDiffusion;
use engine::image::MelImage;
use rayon::prelude::*;

use super::batch::{Batch, EncodedExample, min_snr_weight};
use super::example::{Example, Role};
use super::latent_cache::LatentCache;
use super::mixture::Mixture;
use crate::config::RunConfig;
use crate::data::augment::recolour::Recolouring;
use crate::data::dataset::{ImageRef, ImageSet};
use crate::images::as_batch;
use crate::train_loop::step_rng;

/// Draws, encodes and collates examples. It does not need gradients.
pub struct DataLoader {
    /// The datasets.
    pub data: Mixture,
    /// The frozen autoencoder and its latents.
    pub latents: LatentCache,
    config: RunConfig,
    forward: ForwardDiffusion,
    recolouring: Recolouring,
}

impl DataLoader {
    /// For the datasets and the autoencoder of a run.
    ///
    /// # Errors
    /// If the config is invalid for these datasets.
    pub fn new(config: RunConfig, data: Mixture, latents: LatentCache) -> Result<Self> {
        Ok(Self {
            forward: ForwardDiffusion::new(&config.model.diffusion)?,
            recolouring: Recolouring::new(&config.model.mel),
            config,
            data,
            latents,
        })
    }

    /// The batch of a step, on the CPU.
    ///
    /// # Errors
    /// If the encoder fails.
    pub fn batch_for_step(&mut self, step: u64) -> Result<Batch> {
        let rng = &mut step_rng(self.config.seed, step);
        let pairs = self.data.draw(self.config.batch, rng);
        let example = |pair| Example::random(pair, rng, &self.config.diffusion, &self.config.model);
        let examples: Vec<Example> = pairs.into_iter().map(example).collect();
        let mut batch = self.collate(&examples)?;
        if self.config.loss.style > 0.0 {
            let targets: Vec<MelImage> = examples.iter().map(|e| self.target(e)).collect();
            batch.target_images = Some(as_batch(&targets, &Device::Cpu)?);
        }
        Ok(batch)
    }

    /// The batch of some examples, on the CPU.
    ///
    /// # Errors
    /// If the encoder fails.
    pub fn collate(&mut self, examples: &[Example]) -> Result<Batch> {
        let unchanged: Vec<ImageRef> = examples.iter().flat_map(unchanged_images).collect();
        self.latents.encode(&self.data, &unchanged)?;
        let encoded = examples.par_iter().map(|example| self.encode(example));
        let encoded: Vec<EncodedExample> = encoded.collect::<Result<_>>()?;
        Batch::new(examples, encoded, &self.forward, self.latents.dims())
    }

    /// Encodes the images of an example. The cache has those without augmentation.
    fn encode(&self, example: &Example) -> Result<EncodedExample> {
        let pair = &example.pair;
        let content = match (pair.timbre_seed, example.content_colour) {
            (None, None) => self.latents.get(pair.content),
            (_, colour) => {
                let content = self.data.content(pair);
                let seed = example.noise_floor_seed(Role::Content);
                self.latents.encode_image(&self.recoloured(content, colour, seed))?
            }
        };
        let target = match example.target_colour {
            None => self.latents.get(pair.target),
            Some(_) => self.latents.encode_image(&self.target(example))?,
        };
        let style = self.data.mel_image(pair.style);
        let seed = example.noise_floor_seed(Role::Style);
        let gamma = self.config.diffusion.min_snr_gamma;
        Ok(EncodedExample {
            content,
            target,
            style: self.recoloured(style, example.target_colour, seed),
            label: self.data.label(pair.style) as u32,
            weight: min_snr_weight(&self.forward, example.timestep, gamma),
        })
    }

    /// The target of an example with its simulated recording chain.
    fn target(&self, example: &Example) -> MelImage {
        let target = self.data.mel_image(example.pair.target);
        let seed = example.noise_floor_seed(Role::Target);
        self.recoloured(target, example.target_colour, seed)
    }

    fn recoloured(&self, mut image: MelImage, colour: Option<u64>, noise_seed: u64) -> MelImage {
        if let Some(seed) = colour {
            self.recolouring.recolour(&mut image, &self.recolouring.colour(seed), noise_seed);
        }
        image
    }
}

/// The images of an example that are encoded without augmentation.
fn unchanged_images(example: &Example) -> impl Iterator<Item = ImageRef> {
    let Example { pair, target_colour, content_colour, .. } = example;
    let target = target_colour.is_none().then_some(pair.target);
    let content = content_colour.or(pair.timbre_seed).is_none().then_some(pair.content);
    target.into_iter().chain(content)
}
