//! Checks once, before use, that a device computes the same as the CPU.

use crate::diffusion::noise;
use crate::image::MelImage;
use crate::models::model::Conditioning;
use crate::pipeline::TransferModel;
use crate::{Error, Result};

/// Largest absolute difference between the results of two devices. Results are of order 1.
pub const TOLERANCE: f32 = 1e-3;

/// Runs every network of both models on the same input and compares the outputs.
///
/// It also loads a GPU's kernels, which needs more time than a window has.
///
/// # Errors
/// If a network fails, or outputs differ by more than [`TOLERANCE`].
pub fn require_agreement(
    cpu: &mut dyn TransferModel,
    device: &mut dyn TransferModel,
) -> Result<()> {
    let config = cpu.config().clone();
    let image = pattern(config.mel.n_mels, config.window.frames);
    let (style, device_style) = (
        cpu.style_tokens(std::slice::from_ref(&image))?,
        device.style_tokens(std::slice::from_ref(&image))?,
    );
    require_near("style tokens", &style.tokens, &device_style.tokens)?;
    require_near("pooled style", &style.pooled, &device_style.pooled)?;
    let content = cpu.encode(&image)?;
    require_near("latent", &content, &device.encode(&image)?)?;
    let r = config.autoencoder.reduction();
    let dims @ [h, w, c] = [image.n_mels / r, image.frames / r, config.autoencoder.latent_channels];
    let noisy = noise::window(0, 0, h, w, c);
    let styled =
        Conditioning { content: Some(&content), style: Some(&style), prefix_columns: w / 4 };
    let conditionings = [styled, Conditioning { style: None, ..styled }];
    let timestep = config.diffusion.train_timesteps - 1;
    let predictions = cpu.denoise(&noisy, dims, timestep, &conditionings)?.concat();
    let on_device = device.denoise(&noisy, dims, timestep, &conditionings)?.concat();
    require_near("prediction", &predictions, &on_device)?;
    let (image, on_device) = (cpu.decode(&content, dims)?, device.decode(&content, dims)?);
    require_near("image", &image.data, &on_device.data)
}

/// An image with partials of changing level.
fn pattern(n_mels: usize, frames: usize) -> MelImage {
    let value = |i: usize| {
        let (mel, frame) = ((i / frames) as f32, (i % frames) as f32);
        (0.5 + 0.3 * (0.9 * mel).sin() + 0.2 * (0.11 * frame + 0.05 * mel).sin()).clamp(0.0, 1.0)
    };
    MelImage { n_mels, frames, data: (0..n_mels * frames).map(value).collect() }
}

fn require_near(what: &str, cpu: &[f32], device: &[f32]) -> Result<()> {
    // Written so that a NaN is a difference.
    let within = |(a, b): &(&f32, &f32)| (*a - *b).abs() <= TOLERANCE;
    match cpu.iter().zip(device).find(|pair| !within(pair)) {
        _ if cpu.len() != device.len() => Err(Error::Compute(format!(
            "{what}: expected {} values as on the CPU, found {}",
            cpu.len(),
            device.len()
        ))),
        Some((a, b)) => {
            Err(Error::Compute(format!("{what}: expected the CPU's value {a}, found {b}")))
        }
        None => Ok(()),
    }
}
