//! The student reports' figures 1 and 3 to 6, made with this model: what its networks do, one by
//! one.

use std::path::Path;

use engine::cancel::Cancel;
use engine::diffusion::forward::ForwardDiffusion;
use engine::diffusion::noise;
use engine::generate::generate_image;
use engine::image::MelImage;
use engine::models::model::Conditioning;
use engine::settings::Settings;
use engine::{Error, Result};

use super::model_runner::ModelRunner;
use super::transfer::Session;
use crate::data::description::Split;
use crate::plot::ImageTable;

/// What is left of the signal's power where the reports' schedule ends: from there their model
/// sampled.
const REPORTS_ALPHA_BAR: f64 = 0.132;
/// A fair draw: nothing but noise is given.
const TEMPERATURE: f32 = 1.0;

/// A picture, by the figure of the reports that it answers to.
pub struct Figure {
    /// File name.
    pub file: &'static str,
    /// What is seen.
    pub caption: &'static str,
    draw: fn(&mut ModelRunner, &[Example], &[usize], u64) -> Result<ImageTable>,
}

/// Name, then content, style and true target.
type Example = (String, [MelImage; 3]);

/// All of them but figure 6 (transfer at several step counts), which is the picture of the report's
/// sets.
pub const FIGURES: [Figure; 3] = [
    Figure {
        file: "figure-1-reconstruction.png",
        caption: "Figure 1, images and what the autoencoder makes of them",
        draw: reconstruction,
    },
    Figure {
        file: "figure-3-forward-pass.png",
        caption: "Figure 3, one pass of the denoiser over the noisy target, at as much noise as the reports' schedule ends with",
        draw: forward_pass,
    },
    Figure {
        file: "figures-4-5-generation.png",
        caption: "Figures 4 and 5, noise and a style without any content, one pass (figure 4) and more steps (figure 5)",
        draw: generation,
    },
];

/// Draws every figure into a folder.
///
/// # Errors
/// If a network fails, or a file cannot be written.
pub fn draw(session: &Session, steps: &[usize], seed: u64, folder: &Path) -> Result<()> {
    let (examples, player) = (session.examples(Split::Test, seed)?, &mut session.player()?);
    for figure in &FIGURES {
        let path = folder.join(figure.file);
        let panels = (figure.draw)(player, &examples, steps, seed)?;
        panels.draw(&path).map_err(|e| Error::file(&path, format!("{e:#}")))?;
    }
    Ok(())
}

fn reconstruction(
    player: &mut ModelRunner,
    examples: &[Example],
    _: &[usize],
    _: u64,
) -> Result<ImageTable> {
    let rows = examples.iter().map(|(name, [content, _, target])| {
        let (of_content, of_target) =
            (player.reconstructed(content)?, player.reconstructed(target)?);
        Ok((name.clone(), vec![content.clone(), of_content, target.clone(), of_target]))
    });
    let columns = ["content", "reconstructed", "true target", "reconstructed"];
    Ok(ImageTable {
        columns: columns.map(String::from).to_vec(),
        rows: rows.collect::<Result<_>>()?,
    })
}

fn forward_pass(
    player: &mut ModelRunner,
    examples: &[Example],
    _: &[usize],
    seed: u64,
) -> Result<ImageTable> {
    let diffusion = ForwardDiffusion::new(&player.transfer.model().config().diffusion)?;
    let signal = |t: usize| diffusion.schedule().signal_and_noise(t).0.powi(2);
    let steps = diffusion.schedule().len();
    let timestep = (0..steps).find(|&t| signal(t) <= REPORTS_ALPHA_BAR).unwrap_or(steps - 1);
    let rows = examples.iter().map(|(name, images)| {
        let [noisy, output] = denoised_once(player, &diffusion, images, timestep, seed)?;
        let [content, style, target] = images.clone();
        Ok((name.clone(), vec![content, style, noisy, output, target]))
    });
    let columns = [
        "content",
        "style",
        &format!("noisy, t = {timestep} of {steps}"),
        "one pass",
        "true target",
    ];
    Ok(ImageTable {
        columns: columns.map(String::from).to_vec(),
        rows: rows.collect::<Result<_>>()?,
    })
}

/// The noisy target, decoded, and what the denoiser takes for its clean latent, decoded.
fn denoised_once(
    player: &mut ModelRunner,
    diffusion: &ForwardDiffusion,
    [content, style, target]: &[MelImage; 3],
    timestep: usize,
    seed: u64,
) -> Result<[MelImage; 2]> {
    let style = player.style_tokens(std::slice::from_ref(style))?;
    let (content, clean) = (player.transfer.encode(content)?, player.transfer.encode(target)?);
    let dims @ [height, width, channels] = player.transfer.dims();
    let noise = noise::window(seed, 0, height, width, channels);
    let (mut noisy, mut output) = (clean.clone(), clean.clone());
    diffusion.q_sample(&clean, &noise, timestep, &mut noisy);
    let conditioning =
        Conditioning { content: Some(&content), style: Some(&style), prefix_columns: 0 };
    let predictions =
        player.transfer.model_mut().denoise(&noisy, dims, timestep, &[conditioning])?;
    for prediction in &predictions {
        diffusion.x0(&noisy, prediction, timestep, &mut output);
    }
    Ok([player.transfer.decode(&noisy)?, player.transfer.decode(&output)?])
}

fn generation(
    player: &mut ModelRunner,
    examples: &[Example],
    steps: &[usize],
    seed: u64,
) -> Result<ImageTable> {
    let rows = examples.iter().map(|(name, [_, style, _])| {
        let (tokens, mut images) =
            (player.style_tokens(std::slice::from_ref(style))?, vec![style.clone()]);
        for &steps in steps {
            let settings =
                Settings { steps, seed, temperature: TEMPERATURE, ..Settings::default() };
            let model = player.transfer.model_mut();
            images.push(generate_image(
                model,
                &tokens,
                style.frames,
                &settings,
                &Cancel::default(),
                &mut |_| {},
            )?);
        }
        Ok((name.clone(), images))
    });
    let columns = std::iter::once("style".to_string())
        .chain(steps.iter().map(|steps| format!("steps: {steps}")));
    Ok(ImageTable { columns: columns.collect(), rows: rows.collect::<Result<_>>()? })
}
