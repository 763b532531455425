//! Whether a device computes what the CPU computes: asked once, before it may play.

use crate::diffusion::noise;
use crate::image::MelImage;
use crate::models::model::Conditioning;
use crate::pipeline::TransferModel;
use crate::{Error, Result};

/// How far apart the answers of two devices may be; they are of the order of 1.
pub const TOLERANCE: f32 = 1e-3;

/// Puts the same questions to both, one for each network.
///
/// It also has a GPU load its kernels, which takes longer than a window may.
///
/// # Errors
/// If one fails, or they are more than [`TOLERANCE`] apart.
pub fn require_agreement(
    ours: &mut dyn TransferModel,
    theirs: &mut dyn TransferModel,
) -> Result<()> {
    let config = ours.config().clone();
    let image = pattern(config.mel.n_mels, config.window.frames);
    let (style, their_style) = (
        ours.style_tokens(std::slice::from_ref(&image))?,
        theirs.style_tokens(std::slice::from_ref(&image))?,
    );
    near("the style's tokens", &style.tokens, &their_style.tokens)?;
    near("the style's vector", &style.pooled, &their_style.pooled)?;
    let content = ours.encode(&image)?;
    near("the latent", &content, &theirs.encode(&image)?)?;
    let r = config.autoencoder.reduction();
    let dims @ [h, w, c] = [image.n_mels / r, image.frames / r, config.autoencoder.latent_channels];
    let noisy = noise::window(0, 0, h, w, c);
    let styled =
        Conditioning { content: Some(&content), style: Some(&style), prefix_columns: w / 4 };
    let conditionings = [styled, Conditioning { style: None, ..styled }];
    let timestep = config.diffusion.train_timesteps - 1;
    let predictions = ours.denoise(&noisy, dims, timestep, &conditionings)?;
    let theirs_predicted = theirs.denoise(&noisy, dims, timestep, &conditionings)?;
    near("the denoiser's prediction", &predictions.concat(), &theirs_predicted.concat())?;
    near("the image", &ours.decode(&content, dims)?.data, &theirs.decode(&content, dims)?.data)
}

/// Partials that come and go.
fn pattern(n_mels: usize, frames: usize) -> MelImage {
    let value = |i: usize| {
        let (mel, frame) = ((i / frames) as f32, (i % frames) as f32);
        (0.5 + 0.3 * (0.9 * mel).sin() + 0.2 * (0.11 * frame + 0.05 * mel).sin()).clamp(0.0, 1.0)
    };
    MelImage { n_mels, frames, data: (0..n_mels * frames).map(value).collect() }
}

fn near(what: &str, ours: &[f32], theirs: &[f32]) -> Result<()> {
    // A difference that is no number is not within.
    let within = |(a, b): &(&f32, &f32)| (*a - *b).abs() <= TOLERANCE;
    match ours.iter().zip(theirs).find(|pair| !within(pair)) {
        _ if ours.len() != theirs.len() => Err(Error::Compute(format!(
            "{what}: {} values, the CPU has {}",
            theirs.len(),
            ours.len()
        ))),
        Some((a, b)) => {
            Err(Error::Compute(format!("{what} is not the CPU's ({b} instead of {a})")))
        }
        None => Ok(()),
    }
}
