//! Options of the commands that generate audio. The engine checks the ranges.

use std::path::PathBuf;

use clap::ValueEnum;
use engine::latency_mode::LatencyMode;
use engine::settings::{Settings, VocoderKind};

/// Device of the networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Device {
    /// A CUDA GPU if the CUDA library opens, otherwise the CPU.
    Auto,
    /// The packed executor on the CPU.
    Cpu,
    /// A CUDA GPU. Needs the library that `cargo xtask bundle --cuda` builds.
    Cuda,
}

/// Vocoder, which converts magnitudes to audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Vocoder {
    /// Filters the input's partials with the model's gains.
    Guided,
    /// Uses only the model's mel spectrogram.
    GriffinLim,
}

/// Size of integer samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Bits {
    /// 16 bits, rounded without dither.
    #[value(name = "16")]
    Sixteen,
    /// 24 bits.
    #[value(name = "24")]
    TwentyFour,
}

/// Windows of a latency mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Latency {
    /// 0.2 s latency. Half windows with a hop of 46 ms, 1 step.
    Live,
    /// About 1 s latency. Whole windows with a hop of 0.37 s, at most 4 steps.
    Balanced,
    /// Longest latency. Whole windows, any number of steps.
    Quality,
}

impl Latency {
    /// The engine's type.
    pub fn mode(self) -> LatencyMode {
        match self {
            Self::Live => LatencyMode::Live,
            Self::Balanced => LatencyMode::Balanced,
            Self::Quality => LatencyMode::Quality,
        }
    }
}

/// Default number of DDIM steps of `generate`. Two steps produce no texture.
const STEPS_ALONE: usize = 10;

/// Options of the sampler and the model.
#[derive(clap::Args, Clone, Debug)]
pub struct Sampling {
    /// DDIM steps, 1 to 1000 [default: 2; `generate`: 10]
    #[arg(long)]
    pub steps: Option<usize>,
    /// Seed of the noise
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Classifier-free guidance scale, 0 to 10; 1 is off
    #[arg(long, default_value_t = Settings::default().guidance_scale, allow_negative_numbers = true)]
    pub guidance: f32,
    /// Scale of the initial noise, 0 to 1. Higher values vary more [default: 0.25; `generate`: 1]
    #[arg(long, allow_negative_numbers = true)]
    pub temperature: Option<f32>,
    /// Device of the networks
    #[arg(long, value_enum, default_value_t = Device::Auto)]
    pub device: Device,
    /// Model file [default: the shipped model]
    #[arg(long)]
    pub model: Option<PathBuf>,
}

/// Options of `transfer` only.
#[derive(clap::Args, Clone, Debug)]
pub struct Blend {
    /// Sampling starts at this fraction of the noise schedule, 0 to 1. Lower values keep more of
    /// the input
    #[arg(long, default_value_t = Settings::default().strength, allow_negative_numbers = true)]
    pub strength: f32,
    /// Whose level the output follows, 0 (the model's instrument) to 1 (the input)
    #[arg(long, default_value_t = Settings::default().dynamics, allow_negative_numbers = true)]
    pub dynamics: f32,
    /// Mix of input and output, 0 (dry) to 1 (wet)
    #[arg(long, default_value_t = Settings::default().mix, allow_negative_numbers = true)]
    pub mix: f32,
    /// Vocoder, which converts magnitudes to audio
    #[arg(long, value_enum, default_value_t = Vocoder::Guided)]
    pub vocoder: Vocoder,
    /// Use the windows of this latency mode. The output file has no delay in any mode
    #[arg(long, value_enum, default_value_t = Latency::Quality)]
    pub latency: Latency,
}

/// The engine's settings for these options. Without `blend`, they are those of `generate`.
///
/// # Errors
/// If an option is out of range. The error names it.
pub fn settings(sampling: &Sampling, blend: Option<&Blend>) -> engine::Result<Settings> {
    // Without an input, a low noise scale leads to the mean of all sounds, which is almost silent.
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
        settings.dynamics = blend.dynamics;
        settings.mix = blend.mix;
        settings.vocoder = match blend.vocoder {
            Vocoder::Guided => VocoderKind::Guided,
            Vocoder::GriffinLim => VocoderKind::GriffinLim,
        };
    }
    settings.validate()?;
    Ok(settings)
}
