//! How the judged model draws its samples.

use engine::settings::Settings;

/// Options of the sampler that every evaluation of a model has.
#[derive(Clone, Debug, clap::Args)]
pub struct Sampling {
    /// Scale of the initial noise.
    #[arg(long, default_value_t = Self::default().temperature)]
    pub temperature: f32,
    /// Classifier-free guidance.
    #[arg(long, default_value_t = Self::default().guidance)]
    pub guidance: f32,
    /// Seed of what is judged and of the noise.
    #[arg(long, default_value_t = Self::default().seed)]
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        let Settings { temperature, guidance_scale, .. } = Settings::default();
        Self { temperature, guidance: guidance_scale, seed: 1 }
    }
}

impl Sampling {
    /// The engine's settings, everything else as shipped.
    pub fn settings(&self) -> Settings {
        Settings {
            temperature: self.temperature,
            guidance_scale: self.guidance,
            seed: self.seed,
            ..Settings::default()
        }
    }
}
