//! How the judged model draws its samples.

use engine::settings::Settings;

/// Options of the sampler that every evaluation of a model has.
#[derive(Clone, Debug, clap::Args)]
pub struct Sampling {
    /// Scale of the initial noise.
    #[arg(long, default_value_t = Settings::default().temperature)]
    pub temperature: f32,
    /// Classifier-free guidance.
    #[arg(long, default_value_t = Settings::default().guidance_scale)]
    pub guidance: f32,
    /// Seed of what is judged and of the noise.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
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
