//! Unconditional synthesis: audio from noise and a style, without content (report 2, section 4.8).
//!
//! ```
//! use engine::generate::{SECONDS_MAX, validate_seconds};
//!
//! assert!(validate_seconds(2.5).is_ok());
//! assert!(validate_seconds(SECONDS_MAX + 1.0).is_err());
//! ```

use crate::cancel::Cancel;
use crate::diffusion::ddim::DdimSampler;
use crate::diffusion::forward::ForwardDiffusion;
use crate::diffusion::noise;
use crate::diffusion::prefix::Prefix;
use crate::image::MelImage;
use crate::models::model::Conditioning;
use crate::pipeline::TransferModel;
use crate::settings::Settings;
use crate::style::StyleTokens;
use crate::vocoder::griffin_lim::{MOMENTUM, griffin_lim};
use crate::vocoder::mel_inverse::mel_to_magnitude;
use crate::{Error, Result};

/// Longest output in seconds. It bounds the memory of Griffin-Lim, which processes the whole signal
/// at once.
pub const SECONDS_MAX: f64 = 600.0;
const GRIFFIN_LIM_ITERATIONS: usize = 64;

/// Checks a duration for [`generate`].
///
/// # Errors
/// If it is not above 0 or exceeds [`SECONDS_MAX`].
pub fn validate_seconds(seconds: f64) -> Result<()> {
    if seconds > 0.0 && seconds <= SECONDS_MAX {
        return Ok(());
    }
    Err(Error::invalid("seconds", format!("above 0, at most {SECONDS_MAX}"), seconds))
}

/// Generates `seconds` of mono audio at the model's rate. `progress` receives the number of
/// finished frames.
///
/// Each window continues the previous one through a clean prefix. Steps, guidance, temperature and
/// seed are read from `settings`.
///
/// # Errors
/// As [`validate_seconds`]; on cancellation; if a network fails.
pub fn generate(
    model: &mut dyn TransferModel,
    style: &StyleTokens,
    seconds: f64,
    settings: &Settings,
    cancel: &Cancel,
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<f32>> {
    validate_seconds(seconds)?;
    let mel = model.config().mel.clone();
    let len = (seconds * f64::from(mel.sample_rate_hz)).round() as usize;
    let image = generate_image(model, style, 1 + len / mel.hop_length, settings, cancel, progress)?;
    let magnitude = mel_to_magnitude(&image, &mel);
    let (n_fft, hop) = (mel.n_fft, mel.hop_length);
    Ok(griffin_lim(&magnitude, n_fft, hop, GRIFFIN_LIM_ITERATIONS, MOMENTUM, len, settings.seed))
}

/// The image behind [`generate`]: windows are appended until there are `frames` frames.
///
/// # Errors
/// On cancellation; if a network fails.
pub fn generate_image(
    model: &mut dyn TransferModel,
    style: &StyleTokens,
    frames: usize,
    settings: &Settings,
    cancel: &Cancel,
    progress: &mut dyn FnMut(usize),
) -> Result<MelImage> {
    let config = model.config().clone();
    let reduction = config.autoencoder.reduction();
    let dims @ [height, width, channels] = [
        config.mel.n_mels / reduction,
        config.window.frames / reduction,
        config.autoencoder.latent_channels,
    ];
    let hop = (config.window.hop_frames / reduction).max(1);
    let prefix = width - hop;
    let diffusion = ForwardDiffusion::new(&config.diffusion)?;
    let schedule = diffusion.schedule();
    let steps = settings.steps.min(schedule.len());
    let sampler = DdimSampler::new(schedule, config.diffusion.prediction, steps)?;
    let mut rows: Vec<Vec<f32>> = vec![Vec::new(); config.mel.n_mels];
    let mut previous: Option<Vec<f32>> = None;
    for window in 0.. {
        let column = (window * hop) as u64;
        let mut latent = noise::window(settings.seed, column, height, width, channels);
        noise::scale_noise(&mut latent, settings.temperature);
        let clean = previous.as_deref().map(|latent| last_columns(latent, prefix, width, channels));
        let clean = clean.map(|clean| Prefix::columns(&clean, prefix, dims)).transpose()?;
        let prefix_columns = if clean.is_some() { prefix } else { 0 };
        let mut predict = |x: &[f32], timestep: usize| {
            cancel.check()?;
            let conditioning = Conditioning { content: None, style: Some(style), prefix_columns };
            model.denoise_guided(x, dims, timestep, conditioning, settings.guidance_scale)
        };
        sampler.sample(&mut latent, &mut predict, clean.as_ref())?;
        let image = model.decode(&latent, dims)?;
        let first = if window == 0 { 0 } else { prefix * reduction };
        for (row, values) in rows.iter_mut().zip(image.data.chunks_exact(image.frames)) {
            row.extend_from_slice(&values[first..]);
        }
        previous = Some(latent);
        progress(rows[0].len().min(frames));
        if rows[0].len() >= frames {
            break;
        }
    }
    let data = rows.iter().flat_map(|row| &row[..frames]).copied().collect();
    Ok(MelImage { n_mels: config.mel.n_mels, frames, data })
}

/// The last `columns` columns of a latent, as `(H, columns, C)`.
fn last_columns(latent: &[f32], columns: usize, width: usize, channels: usize) -> Vec<f32> {
    let rows = latent.chunks_exact(width * channels);
    rows.flat_map(|row| &row[(width - columns) * channels..]).copied().collect()
}
