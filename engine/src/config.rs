//! The model's config: stored in its checkpoint and used to build every part.
//!
//! ```
//! use engine::config::ModelConfig;
//!
//! let mut config = ModelConfig::default();
//! config.validate()?;
//! assert_eq!(config.autoencoder.reduction(), 8);
//!
//! config.unet.heads = 5;
//! assert!(config.validate().unwrap_err().to_string().contains("unet.heads"));
//! # Ok::<(), engine::Error>(())
//! ```

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// How audio becomes a log-mel image, with librosa's names and defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MelConfig {
    /// The model's sample rate.
    pub sample_rate_hz: u32,
    /// FFT length in samples.
    pub n_fft: usize,
    /// Samples between two frames' centres.
    pub hop_length: usize,
    /// Number of mel bands.
    pub n_mels: usize,
    /// The filterbank's convention. Only `slaney` (librosa's default) is supported.
    pub convention: String,
    /// Power in dB (`10 log10`, reference 1.0, on level-normalised audio) that maps to 1; see
    /// `docs/decisions/012-mel-image-range.md`.
    pub top_db: f32,
    /// Range in dB between the image values 0 and 1.
    pub range_db: f32,
}

impl Default for MelConfig {
    fn default() -> Self {
        Self {
            sample_rate_hz: 22_050,
            n_fft: 2048,
            hop_length: 512,
            n_mels: 128,
            convention: "slaney".into(),
            top_db: 30.0,
            range_db: 80.0,
        }
    }
}

/// Length and hop of the windows, in frames.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowConfig {
    /// Frames per window.
    pub frames: usize,
    /// Frames from the start of a window to the start of the next.
    pub hop_frames: usize,
    /// Frames that a window shares with its predecessor: `frames - hop_frames`. In training they
    /// can hold a clean prefix.
    #[serde(rename = "prefix_frames", alias = "overlap_frames")]
    pub overlap_frames: usize,
}

impl Default for WindowConfig {
    fn default() -> Self {
        Self { frames: 128, hop_frames: 112, overlap_frames: 16 }
    }
}

/// Spectrogram encoder and decoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AutoencoderConfig {
    /// Channels of the latent.
    pub latent_channels: usize,
    /// Channels after each stride-2 convolution. `n` stages reduce both axes by `2^n` (3: 8 x 8).
    pub channels: Vec<usize>,
}

impl Default for AutoencoderConfig {
    fn default() -> Self {
        Self { latent_channels: 32, channels: vec![32, 64, 128] }
    }
}

impl AutoencoderConfig {
    /// Image pixels per latent position along one axis.
    pub fn reduction(&self) -> usize {
        1 << self.channels.len()
    }
}

/// Style encoder: stride-2 convolutions, tokens from the last resolutions, a pooled vector and an
/// instrument head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StyleConfig {
    /// Channels after each stride-2 convolution.
    pub channels: Vec<usize>,
    /// Number of resolutions, counted from the coarsest, that emit tokens.
    pub token_levels: usize,
    /// Width of a token and of the pooled vector.
    pub dim: usize,
    /// Sine and cosine channels that encode a position along the mel axis; 0 in models without
    /// them.
    #[serde(default)]
    pub frequency_channels: usize,
    /// Labels of the instrument head, in output order.
    pub instruments: Vec<String>,
}

impl Default for StyleConfig {
    fn default() -> Self {
        Self {
            channels: vec![32, 64, 128, 192, 192, 256],
            token_levels: 3,
            dim: 192,
            frequency_channels: 8,
            instruments: ["piano", "guitar", "harp", "violin"].map(String::from).to_vec(),
        }
    }
}

impl StyleConfig {
    /// Tokens per image: one for each position of the last resolutions.
    pub fn token_count(&self, n_mels: usize, frames: usize) -> usize {
        let halved = |size: usize, times: usize| (0..times).fold(size, |size, _| size.div_ceil(2));
        let levels = self.channels.len() - self.token_levels + 1..=self.channels.len();
        levels.map(|level| halved(n_mels, level) * halved(frames, level)).sum()
    }
}

/// The denoiser.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UNetConfig {
    /// Channels of each resolution, finest first.
    pub channels: Vec<usize>,
    /// Whether each resolution has self- and cross-attention.
    pub attention: Vec<bool>,
    /// Residual blocks per resolution.
    pub res_blocks: usize,
    /// Attention heads.
    pub heads: usize,
    /// Width of the timestep and style embedding.
    pub embedding: usize,
    /// Sine and cosine channels that encode a position along the mel axis.
    pub frequency_channels: usize,
    /// Width of the network that reads the style's spectral profile; 0 in models without it.
    #[serde(default)]
    pub profile_channels: usize,
}

impl Default for UNetConfig {
    fn default() -> Self {
        Self {
            channels: vec![64, 128, 256],
            attention: vec![false, true, true],
            res_blocks: 2,
            heads: 4,
            embedding: 256,
            frequency_channels: 8,
            profile_channels: 64,
        }
    }
}

/// Noise schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleKind {
    /// Cosine (Nichol and Dhariwal 2021) rescaled to zero terminal SNR (Lin et al. 2024).
    CosineZeroSnr,
    /// The reports' linear betas, 1e-4 to 0.02.
    Linear,
}

/// What the UNet predicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Prediction {
    /// `v = sqrt(alpha_bar) eps - sqrt(1 - alpha_bar) x0` (Salimans and Ho 2022).
    V,
    /// The noise.
    Epsilon,
}

/// Diffusion process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiffusionConfig {
    /// Noise schedule.
    pub schedule: ScheduleKind,
    /// What the UNet predicts.
    pub prediction: Prediction,
    /// Number of timesteps in training.
    pub train_timesteps: usize,
}

impl Default for DiffusionConfig {
    fn default() -> Self {
        Self {
            schedule: ScheduleKind::CosineZeroSnr,
            prediction: Prediction::V,
            train_timesteps: 1000,
        }
    }
}

/// The complete config of a model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// Gain in dB that is applied to the model's output, -12 to 12. It compensates a model that
    /// predicts average levels; see `docs/decisions/044-makeup-gain.md`.
    #[serde(default)]
    pub makeup_db: f32,
    /// Audio to image.
    pub mel: MelConfig,
    /// Windows of the stream.
    pub window: WindowConfig,
    /// Image to latent and back.
    pub autoencoder: AutoencoderConfig,
    /// Reference image to style tokens.
    pub style: StyleConfig,
    /// The denoiser.
    pub unet: UNetConfig,
    /// The diffusion process.
    pub diffusion: DiffusionConfig,
}

/// Bound on [`ModelConfig::makeup_db`]: an untrusted file must not cause excessive loudness.
const MAKEUP_MAX_DB: f32 = 12.0;
/// Most values of an image, 16 times the default's. Scratch memory is proportional to it.
const IMAGE_MAX: usize = 1 << 18;
/// Longest window in seconds.
const WINDOW_MAX_S: usize = 30;
/// Most positions of the finest resolution with attention.
const ATTENDING_MAX: usize = 4096;
/// Most scores of one attention, for a style of one window.
const SCORES_MAX: usize = 1 << 22;

/// Bounds one number of a config: an untrusted file must not cause excessive memory use.
fn bound(field: &str, value: usize, min: usize, max: usize) -> Result<()> {
    if (min..=max).contains(&value) {
        Ok(())
    } else {
        Err(Error::checkpoint(field, format!("{min} to {max}"), value))
    }
}

fn bound_all(field: &str, values: &[usize], max_len: usize, min: usize, max: usize) -> Result<()> {
    bound(&format!("{field}.len"), values.len(), 1, max_len)?;
    values.iter().enumerate().try_for_each(|(i, &v)| bound(&format!("{field}[{i}]"), v, min, max))
}

/// Requires an even size: pairs of sine and cosine channels, or an FFT length.
fn even(field: &str, value: usize) -> Result<()> {
    if value.is_multiple_of(2) {
        Ok(())
    } else {
        Err(Error::checkpoint(field, "an even number", value))
    }
}

/// Requires multiples of 8: channels are normalised in [`crate::nn::backend::GROUPS`] groups.
fn grouped(field: &str, values: &[usize]) -> Result<()> {
    match values.iter().position(|v| v % 8 != 0) {
        Some(i) => Err(Error::checkpoint(format!("{field}[{i}]"), "a multiple of 8", values[i])),
        None => Ok(()),
    }
}

impl ModelConfig {
    /// Checks that networks can be built from the config with bounded memory.
    ///
    /// # Errors
    /// Names the first field that is out of range.
    pub fn validate(&self) -> Result<()> {
        if !(-MAKEUP_MAX_DB..=MAKEUP_MAX_DB).contains(&self.makeup_db) {
            let expected = format!("-{MAKEUP_MAX_DB} to {MAKEUP_MAX_DB}");
            return Err(Error::checkpoint("makeup_db", expected, self.makeup_db));
        }
        self.validate_mel()?;
        bound("autoencoder.latent_channels", self.autoencoder.latent_channels, 1, 256)?;
        bound_all("autoencoder.channels", &self.autoencoder.channels, 5, 8, 1024)?;
        grouped("autoencoder.channels", &self.autoencoder.channels)?;
        // After the autoencoder, because its depth determines the columns that windows are measured
        // in.
        self.validate_window()?;
        self.validate_style()?;
        self.validate_unet()?;
        bound("diffusion.train_timesteps", self.diffusion.train_timesteps, 2, 100_000)
    }

    fn validate_mel(&self) -> Result<()> {
        let mel = &self.mel;
        bound("mel.sample_rate_hz", mel.sample_rate_hz as usize, 8_000, 192_000)?;
        bound("mel.n_fft", mel.n_fft, 64, 16_384)?;
        even("mel.n_fft", mel.n_fft)?;
        bound("mel.hop_length", mel.hop_length, 16, mel.n_fft / 2)?;
        bound("mel.n_mels", mel.n_mels, 8, 512)?;
        if mel.convention != "slaney" {
            return Err(Error::checkpoint("mel.convention", "slaney", &mel.convention));
        }
        if !(mel.top_db.is_finite() && mel.range_db.is_finite() && mel.range_db > 0.0) {
            return Err(Error::checkpoint("mel.range_db", "a finite range above 0", mel.range_db));
        }
        Ok(())
    }

    fn validate_window(&self) -> Result<()> {
        let (window, reduction) = (&self.window, self.autoencoder.reduction());
        bound("window.frames", window.frames, 2 * reduction, 4096)?;
        bound("window.hop_frames", window.hop_frames, 1, window.frames)?;
        if window.hop_frames + window.overlap_frames != window.frames {
            return Err(Error::checkpoint(
                "window.prefix_frames",
                "frames - hop_frames",
                window.overlap_frames,
            ));
        }
        bound("mel.n_mels * window.frames", self.mel.n_mels * window.frames, 1, IMAGE_MAX)?;
        let most = WINDOW_MAX_S * self.mel.sample_rate_hz as usize;
        bound("mel.hop_length * window.frames", self.mel.hop_length * window.frames, 1, most)?;
        for (field, pixels) in [("window.frames", window.frames), ("mel.n_mels", self.mel.n_mels)] {
            if pixels % reduction != 0 {
                return Err(Error::checkpoint(field, format!("a multiple of {reduction}"), pixels));
            }
        }
        Ok(())
    }

    fn validate_style(&self) -> Result<()> {
        let style = &self.style;
        bound_all("style.channels", &style.channels, 8, 8, 1024)?;
        grouped("style.channels", &style.channels)?;
        bound("style.token_levels", style.token_levels, 1, style.channels.len())?;
        bound("style.dim", style.dim, 8, 2048)?;
        bound("style.frequency_channels", style.frequency_channels, 0, 64)?;
        even("style.frequency_channels", style.frequency_channels)?;
        bound("style.instruments.len", style.instruments.len(), 1, 64)
    }

    fn validate_unet(&self) -> Result<()> {
        let unet = &self.unet;
        bound_all("unet.channels", &unet.channels, 5, 8, 2048)?;
        grouped("unet.channels", &unet.channels)?;
        if unet.attention.len() != unet.channels.len() {
            return Err(Error::checkpoint(
                "unet.attention.len",
                unet.channels.len().to_string(),
                unet.attention.len(),
            ));
        }
        bound("unet.res_blocks", unet.res_blocks, 1, 8)?;
        bound("unet.heads", unet.heads, 1, 64)?;
        if let Some(c) = unet.channels.iter().find(|&c| c % unet.heads != 0) {
            return Err(Error::checkpoint(
                "unet.heads",
                "a divisor of every unet.channels",
                format!("{} for {c}", unet.heads),
            ));
        }
        bound("unet.embedding", unet.embedding, 8, 4096)?;
        bound("unet.profile_channels", unet.profile_channels, 0, 1024)?;
        bound("unet.frequency_channels", unet.frequency_channels, 2, 64)?;
        even("unet.frequency_channels", unet.frequency_channels)?;
        self.validate_attention()
    }

    /// Bounds the attention scores: queries times keys.
    fn validate_attention(&self) -> Result<()> {
        let Some(finest) = self.unet.attention.iter().position(|&attends| attends) else {
            return Ok(());
        };
        let (height, width) = (self.mel.n_mels, self.window.frames);
        let pixels = self.autoencoder.reduction() << finest;
        let attending = (height / pixels) * (width / pixels);
        bound("unet.attention: query positions", attending, 0, ATTENDING_MAX)?;
        let tokens = self.style.token_count(height, width);
        bound("style.token_levels: query positions times tokens", attending * tokens, 0, SCORES_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_valid() {
        ModelConfig::default().validate().expect("valid");
    }

    #[test]
    fn files_from_before_the_spectral_profile_have_none() {
        let mut written = serde_json::to_value(ModelConfig::default()).expect("JSON");
        for (part, field) in [("style", "frequency_channels"), ("unet", "profile_channels")] {
            written[part]
                .as_object_mut()
                .expect("an object")
                .remove(field)
                .expect("a current field");
        }
        let config: ModelConfig = serde_json::from_value(written).expect("a config");
        config.validate().expect("valid");
        assert_eq!((config.style.frequency_channels, config.unet.profile_channels), (0, 0));
    }

    #[test]
    fn makeup_is_bounded_and_defaults_to_zero() {
        let mut written = serde_json::to_value(ModelConfig::default()).expect("JSON");
        written.as_object_mut().expect("an object").remove("makeup_db").expect("a current field");
        let mut config: ModelConfig = serde_json::from_value(written).expect("a config");
        assert_eq!(config.makeup_db, 0.0);
        for makeup_db in [60.0, f32::NAN] {
            config.makeup_db = makeup_db;
            assert!(config.validate().unwrap_err().to_string().contains("makeup_db"));
        }
    }

    #[test]
    fn oversized_configs_are_rejected_by_name() {
        let refused = |config: &ModelConfig| config.validate().unwrap_err().to_string();
        let mut odd = ModelConfig::default();
        odd.mel.n_fft = 2049;
        assert!(refused(&odd).contains("mel.n_fft"), "the real FFT needs an even length");
        let mut hour = ModelConfig::default();
        hour.mel = MelConfig {
            sample_rate_hz: 8000,
            n_fft: 16_384,
            hop_length: 8192,
            n_mels: 64,
            ..hour.mel
        };
        hour.window = WindowConfig { frames: 4096, hop_frames: 4096, overlap_frames: 0 };
        assert!(refused(&hour).contains("mel.hop_length * window.frames"));
        let mut all = ModelConfig::default();
        all.autoencoder.channels.truncate(1);
        all.unet.attention[0] = true;
        all.mel.hop_length = 128;
        all.window = WindowConfig { frames: 2048, hop_frames: 1024, overlap_frames: 1024 };
        assert!(refused(&all).contains("unet.attention: query positions"));
        let mut tokens = ModelConfig::default();
        tokens.style.token_levels = tokens.style.channels.len();
        tokens.unet.attention[0] = true;
        tokens.window = WindowConfig { frames: 1024, hop_frames: 512, overlap_frames: 512 };
        assert!(refused(&tokens).contains("query positions times tokens"), "{}", refused(&tokens));
    }

    #[test]
    fn sizes_out_of_range_are_rejected_by_name() {
        let mut config = ModelConfig::default();
        config.unet.channels[1] = 1 << 30;
        assert!(config.validate().unwrap_err().to_string().contains("unet.channels[1]"));
        for (frames, hop_frames, field) in
            [(100, 84, "window.frames"), (128, 0, "window.hop_frames")]
        {
            let window = WindowConfig { frames, hop_frames, overlap_frames: frames - hop_frames };
            let config = ModelConfig { window, ..ModelConfig::default() };
            assert!(config.validate().unwrap_err().to_string().contains(field));
        }
    }
}
