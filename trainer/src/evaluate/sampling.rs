//! Sampler settings of an evaluation.

use engine::settings::Settings;

/// Options of the sampler in every evaluation of a model.
#[derive(Clone, Debug, clap::Args)]
pub struct Sampling {
    /// Scale of the initial noise.
    #[arg(long, default_value_t = Self::default().temperature)]
    pub temperature: f32,
    /// Classifier-free guidance.
    #[arg(long, default_value_t = Self::default().guidance)]
    pub guidance: f32,
    /// Whose level the output follows, 0 (the model's instrument) to 1 (the input).
    #[arg(long, default_value_t = Self::default().dynamics)]
    pub dynamics: f32,
    /// Seed of the selection of clips or pairs, and of the noise.
    #[arg(long, default_value_t = Self::default().seed)]
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        let Settings { temperature, guidance_scale, dynamics, .. } = Settings::default();
        Self { temperature, guidance: guidance_scale, dynamics, seed: 1 }
    }
}

impl Sampling {
    /// The engine's settings with these options and defaults for all others.
    pub fn settings(&self) -> Settings {
        Settings {
            temperature: self.temperature,
            guidance_scale: self.guidance,
            dynamics: self.dynamics,
            seed: self.seed,
            ..Settings::default()
        }
    }
}
