//! What the steps are trained on: examples of chance, their latents, and what is drawn for each.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use engine::diffusion::forward::ForwardDiffusion;
use engine::image::MelImage;
use rayon::prelude::*;

use super::batch::{BatchValues, Draw, Role, min_snr_weight};
use super::latents::Latents;
use super::mixture::Mixture;
use crate::config::{OnlineRenderingConfig, RunConfig};
use crate::data::image_set::ImageSet;
use crate::data::online_rendering::OnlineRendering;
use crate::data::pairs::Pair;
use crate::data::recolour::Recolouring;
use crate::train_loop::step_rng;

/// Of one example: latents of content and target, and the style's image.
struct Given {
    content: Vec<f32>,
    target: Vec<f32>,
    style: MelImage,
}

/// What a step is trained on.
pub struct Drawn {
    pub draws: Vec<Draw>,
    pub values: BatchValues,
    /// The examples' targets, where the style loss compares with them: of the sounds that this
    /// step has, which the next may renew.
    pub targets: Vec<MelImage>,
}

/// Makes batches; no gradient comes here.
pub struct Batches {
    pub examples: Mixture,
    pub latents: Latents,
    config: RunConfig,
    forward: ForwardDiffusion,
    recolouring: Recolouring,
    online_rendering: Option<OnlineRendering>,
}

/// The run's new sounds, where it asks for some.
fn online_rendering(config: &RunConfig, examples: &Mixture) -> Result<Option<OnlineRendering>> {
    let OnlineRenderingConfig { soundfonts, every, threads } = &config.online_rendering;
    if *every == 0 {
        return Ok(None);
    }
    ensure!(
        examples.can_be_renewed(),
        "online_rendering.every: expected one dataset that `trainer render` made, found recordings or several"
    );
    let soundfonts: Vec<PathBuf> = soundfonts.iter().map(PathBuf::from).collect();
    let online_rendering =
        OnlineRendering::open(Path::new(&config.data), &soundfonts, *every, config.steps, *threads);
    Ok(Some(online_rendering.context("online_rendering")?))
}

impl Batches {
    /// Of a run's examples.
    pub fn new(config: RunConfig, examples: Mixture, latents: Latents) -> Result<Self> {
        Ok(Self {
            forward: ForwardDiffusion::new(&config.model.diffusion)?,
            recolouring: Recolouring::new(&config.model.mel),
            online_rendering: online_rendering(&config, &examples)?,
            config,
            examples,
            latents,
        })
    }

    /// What a step is trained on; steps are asked for in order.
    pub fn batch_for_step(&mut self, step: u64) -> Result<Drawn> {
        if let Some(online_rendering) = &mut self.online_rendering {
            online_rendering.due(step, |renewed| {
                self.latents.forget(renewed.index);
                self.examples.renew(renewed);
            })?;
        }
        let rng = &mut step_rng(self.config.seed, step);
        let pairs = self.examples.draw(self.config.batch, rng);
        let draw = |_| Draw::random(rng, &self.config.diffusion, &self.config.model);
        let draws: Vec<Draw> = pairs.iter().map(draw).collect();
        let compared = if self.config.loss.style > 0.0 { &pairs[..] } else { &[] };
        let targets =
            compared.iter().zip(&draws).map(|(pair, draw)| self.target(pair, draw)).collect();
        Ok(Drawn { values: self.collate(&pairs, &draws)?, draws, targets })
    }

    /// The batch of some examples.
    pub fn collate(&mut self, pairs: &[Pair], draws: &[Draw]) -> Result<BatchValues> {
        let mut plain = Vec::new();
        for (pair, draw) in pairs.iter().zip(draws) {
            plain.extend(draw.target_colour.is_none().then_some(pair.target));
            plain.extend((draw.content_colour.or(pair.disguise).is_none()).then_some(pair.content));
        }
        self.latents.keep(&self.examples, &plain)?;
        let given: Vec<Given> = pairs
            .par_iter()
            .zip(draws)
            .map(|(pair, draw)| self.given(pair, draw))
            .collect::<Result<_>>()?;
        let mut values = BatchValues::new(self.latents.dims());
        for (Given { content, target, .. }, draw) in given.iter().zip(draws) {
            let weight =
                min_snr_weight(&self.forward, draw.timestep, self.config.diffusion.min_snr_gamma);
            values.push(draw, &self.forward, weight, [content, target]);
        }
        let styles = given.into_iter().map(|given| given.style).collect();
        let labels = pairs.iter().map(|pair| pair.style.instrument as u32).collect();
        Ok(values.with_styles(styles, labels))
    }

    /// What an example gives to the networks; plain latents have been kept.
    fn given(&self, pair: &Pair, draw: &Draw) -> Result<Given> {
        let content = match (pair.disguise, draw.content_colour) {
            (None, None) => self.latents.kept(pair.content),
            (_, colour) => {
                let content = self.examples.content(pair);
                self.latents.of_image(&self.coloured(
                    content,
                    colour,
                    draw.seed_of(Role::Content),
                ))?
            }
        };
        let target = match draw.target_colour {
            None => self.latents.kept(pair.target),
            Some(_) => self.latents.of_image(&self.target(pair, draw))?,
        };
        let style = self.examples.mel_image(pair.style);
        Ok(Given {
            content,
            target,
            style: self.coloured(style, draw.target_colour, draw.seed_of(Role::Style)),
        })
    }

    /// An example's target, in its colour.
    fn target(&self, pair: &Pair, draw: &Draw) -> MelImage {
        self.coloured(
            self.examples.mel_image(pair.target),
            draw.target_colour,
            draw.seed_of(Role::Target),
        )
    }

    fn coloured(&self, mut image: MelImage, colour: Option<u64>, noise_seed: u64) -> MelImage {
        if let Some(seed) = colour {
            self.recolouring.recolour(&mut image, &self.recolouring.colour(seed), noise_seed);
        }
        image
    }
}
