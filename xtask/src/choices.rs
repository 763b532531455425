//! The options that choose a sound, shared by the commands that make one. The engine judges their
//! values.

use std::path::PathBuf;

use clap::ValueEnum;
use engine::latency_mode::LatencyMode;
use engine::settings::{Settings, VocoderKind};

/// Where the networks run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Device {
    /// A CUDA GPU where the library for it is there and opens, or else the CPU.
    Auto,
    /// The packed CPU engine.
    Cpu,
    /// A CUDA GPU, through the library that `cargo xtask bundle --cuda` makes.
    Cuda,
}

/// How magnitudes become audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Vocoder {
    /// The input's own partials under the model's gain.
    Guided,
    /// From the model's mel spectrogram alone.
    GriffinLim,
}

/// How much music is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Latency {
    /// A fifth of a second: half windows that move by 46 ms, 1 step.
    Live,
    /// About a second: whole windows that move by .37 s, 4 steps at most.
    Balanced,
    /// Whole windows.
    Quality,
}

impl Latency {
    /// The engine's word.
    pub fn mode(self) -> LatencyMode {
        match self {
            Self::Live => LatencyMode::Live,
            Self::Balanced => LatencyMode::Balanced,
            Self::Quality => LatencyMode::Quality,
        }
    }
}

/// DDIM steps where there is no input: what comes of two has no textures.
const STEPS_ALONE: usize = 10;

/// Options of the sampler and the model.
#[derive(clap::Args, Clone, Debug)]
pub struct Sampling {
    /// DDIM steps, 1 to 1000 [default: 2, and 10 where there is no input]
    #[arg(long)]
    pub steps: Option<usize>,
    /// Noise seed
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Classifier-free guidance scale, 0 to 10; 1 is none
    #[arg(long, default_value_t = Settings::default().guidance_scale, allow_negative_numbers = true)]
    pub guidance: f32,
    /// Scale of the initial noise, 0 (the mean) to 1 (a fair draw) [default: 0.25, and 1 where
    /// there is no input]
    #[arg(long, allow_negative_numbers = true)]
    pub temperature: Option<f32>,
    /// Where the networks run
    #[arg(long, value_enum, default_value_t = Device::Auto)]
    pub device: Device,
    /// Model file [default: the shipped one]
    #[arg(long)]
    pub model: Option<PathBuf>,
}

/// Options of a transfer alone.
#[derive(clap::Args, Clone, Debug)]
pub struct Blend {
    /// 0 (the input, as the autoencoder hears it) to 1 (all new)
    #[arg(long, default_value_t = Settings::default().strength, allow_negative_numbers = true)]
    pub strength: f32,
    /// 0 (dry) to 1 (wet)
    #[arg(long, default_value_t = Settings::default().mix, allow_negative_numbers = true)]
    pub mix: f32,
    /// How magnitudes become audio
    #[arg(long, value_enum, default_value_t = Vocoder::Guided)]
    pub vocoder: Vocoder,
    /// How much music is waited for before it is played anew; a file is the same length in each
    #[arg(long, value_enum, default_value_t = Latency::Quality)]
    pub latency: Latency,
}

/// The engine's settings for these options.
///
/// # Errors
/// One sentence that names an option out of range.
pub fn settings(sampling: &Sampling, blend: Option<&Blend>) -> engine::Result<Settings> {
    // Without an input there is nothing to be close to: the mean of all sounds is nearly silent.
    let Settings { steps, temperature, .. } = Settings::default();
    let (steps, temperature) =
        if blend.is_some() { (steps, temperature) } else { (STEPS_ALONE, 1.0) };
    let mut settings = Settings {
        steps: sampling.steps.unwrap_or(steps),
        guidance_scale: sampling.guidance,
        temperature: sampling.temperature.unwrap_or(temperature),
        seed: sampling.seed,
        ..Settings::default()
    };
    if let Some(blend) = blend {
        settings.strength = blend.strength;
        settings.mix = blend.mix;
        settings.vocoder = match blend.vocoder {
            Vocoder::Guided => VocoderKind::Guided,
            Vocoder::GriffinLim => VocoderKind::GriffinLim,
        };
    }
    settings.validate()?;
    Ok(settings)
}
