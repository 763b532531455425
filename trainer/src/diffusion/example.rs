//! One training example: a pair of images and the random choices for it.

use engine::config::ModelConfig;
use engine::diffusion::noise;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::config::DiffusionTraining;
use crate::data::dataset::Pair;

/// Content, style and target with everything that is drawn for them.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// The images.
    pub pair: Pair,
    /// The diffusion timestep.
    pub timestep: usize,
    /// Columns at the start of the latent that are the clean target, 0 for none.
    pub prefix_columns: usize,
    /// Whether the style is not dropped.
    pub keep_style: bool,
    /// Whether the content is not dropped.
    pub keep_content: bool,
    /// Seed of the diffusion noise.
    pub noise_seed: u64,
    /// Seed of the [simulated recording chain](crate::data::augment::recolour) of style and
    /// target, if any.
    pub target_colour: Option<u64>,
    /// The same for the content.
    pub content_colour: Option<u64>,
}

/// The role of an image in an example.
#[derive(Clone, Copy, Debug)]
pub enum Role {
    /// The content.
    Content,
    /// The style.
    Style,
    /// The target.
    Target,
}

impl Example {
    /// A training example with random choices.
    pub fn random(
        pair: Pair,
        rng: &mut ChaCha8Rng,
        training: &DiffusionTraining,
        model: &ModelConfig,
    ) -> Self {
        let last = model.diffusion.train_timesteps - 1;
        let mut colour = || rng.random_bool(training.recolour).then(|| rng.random());
        let [target_colour, content_colour] = [colour(), colour()];
        let columns = |frames: usize| frames / model.autoencoder.reduction();
        Self {
            pair,
            timestep: if rng.random_bool(training.terminal_share) {
                last
            } else {
                rng.random_range(0..=last)
            },
            prefix_columns: match rng.random_bool(training.prefix_probability) {
                false => 0,
                // Streams with a short hop have prefixes of almost the whole window.
                true if rng.random() => rng.random_range(1..columns(model.window.frames)),
                true => columns(model.window.overlap_frames),
            },
            keep_style: !rng.random_bool(training.style_drop),
            keep_content: !rng.random_bool(training.content_drop),
            noise_seed: rng.random(),
            target_colour,
            content_colour,
        }
    }

    /// A validation example: all conditions, no prefix, no augmentation.
    pub fn plain(pair: Pair, timestep: usize, noise_seed: u64) -> Self {
        Self {
            pair,
            timestep,
            prefix_columns: 0,
            keep_style: true,
            keep_content: true,
            noise_seed,
            target_colour: None,
            content_colour: None,
        }
    }

    /// Seed of the noise floor of an image. It differs from the diffusion's seed, because the
    /// noise would otherwise contain information about the target.
    pub fn noise_floor_seed(&self, role: Role) -> u64 {
        noise::independent_seed(self.noise_seed, role as usize)
    }
}
