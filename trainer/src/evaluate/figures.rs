//! The figures 1 and 3 to 6 of the student reports, drawn with this model.

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
use crate::data::dataset::Split;
use crate::plot::ImageTable;

/// Share of the signal's power at the end of the reports' noise schedule, where their model starts
/// sampling.
const REPORTS_ALPHA_BAR: f64 = 0.132;
/// Initial noise of full scale, because no content is used.
const TEMPERATURE: f32 = 1.0;

/// A picture that corresponds to a figure of the reports.
pub struct Figure {
    /// File name.
    pub file: &'static str,
    /// Caption.
    pub caption: &'static str,
    draw: fn(&mut ModelRunner, &[Example], &[usize], u64) -> Result<ImageTable>,
}

/// Name, and content, style and true target.
type Example = (String, [MelImage; 3]);

/// All figures except figure 6 (transfer at several step counts), which is the picture of the
/// report's test sets.
pub const FIGURES: [Figure; 3] = [
    Figure {
        file: "figure-1-reconstruction.png",
        caption: "Figure 1, images and their reconstruction by the autoencoder",
        draw: reconstruction,
    },
    Figure {
        file: "figure-3-forward-pass.png",
        caption: "Figure 3, one pass of the denoiser over the noisy target, at the noise level \
                  where the reports' schedule ends",
        draw: forward_pass,
    },
    Figure {
        file: "figures-4-5-generation.png",
        caption: "Figures 4 and 5, noise and a style without content, one pass (figure 4) and more \
                  steps (figure 5)",
        draw: generation,
    },
];

/// Draws every figure into a folder.
///
/// # Errors
/// If a network fails, or a file cannot be written.
pub fn draw(session: &Session, steps: &[usize], seed: u64, folder: &Path) -> Result<()> {
    let (examples, runner) = (session.examples(Split::Test, seed)?, &mut session.model_runner()?);
    for figure in &FIGURES {
        let path = folder.join(figure.file);
        let panels = (figure.draw)(runner, &examples, steps, seed)?;
        panels.draw(&path).map_err(|e| Error::file(&path, format!("{e:#}")))?;
    }
    Ok(())
}

fn reconstruction(
    runner: &mut ModelRunner,
    examples: &[Example],
    _: &[usize],
    _: u64,
) -> Result<ImageTable> {
    let rows = examples.iter().map(|(name, [content, _, target])| {
        let (content_output, target_output) =
            (runner.reconstruct(content)?, runner.reconstruct(target)?);
        Ok((name.clone(), vec![content.clone(), content_output, target.clone(), target_output]))
    });
    let columns = ["content", "reconstructed", "true target", "reconstructed"];
    Ok(ImageTable {
        columns: columns.map(String::from).to_vec(),
        rows: rows.collect::<Result<_>>()?,
    })
}

fn forward_pass(
    runner: &mut ModelRunner,
    examples: &[Example],
    _: &[usize],
    seed: u64,
) -> Result<ImageTable> {
    let diffusion = ForwardDiffusion::new(&runner.transfer.model().config().diffusion)?;
    let signal = |t: usize| diffusion.schedule().signal_and_noise(t).0.powi(2);
    let steps = diffusion.schedule().len();
    let timestep = (0..steps).find(|&t| signal(t) <= REPORTS_ALPHA_BAR).unwrap_or(steps - 1);
    let rows = examples.iter().map(|(name, images)| {
        let [noisy, output] = denoised_once(runner, &diffusion, images, timestep, seed)?;
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

/// The decoded noisy target, and the denoiser's decoded estimate of the clean target.
fn denoised_once(
    runner: &mut ModelRunner,
    diffusion: &ForwardDiffusion,
    [content, style, target]: &[MelImage; 3],
    timestep: usize,
    seed: u64,
) -> Result<[MelImage; 2]> {
    let style = runner.style_tokens(std::slice::from_ref(style))?;
    let (content, clean) = (runner.transfer.encode(content)?, runner.transfer.encode(target)?);
    let dims @ [height, width, channels] = runner.transfer.dims();
    let noise = noise::window(seed, 0, height, width, channels);
    let (mut noisy, mut output) = (clean.clone(), clean.clone());
    diffusion.q_sample(&clean, &noise, timestep, &mut noisy);
    let conditioning =
        Conditioning { content: Some(&content), style: Some(&style), prefix_columns: 0 };
    let predictions =
        runner.transfer.model_mut().denoise(&noisy, dims, timestep, &[conditioning])?;
    for prediction in &predictions {
        diffusion.x0(&noisy, prediction, timestep, &mut output);
    }
    Ok([runner.transfer.decode(&noisy)?, runner.transfer.decode(&output)?])
}

fn generation(
    runner: &mut ModelRunner,
    examples: &[Example],
    steps: &[usize],
    seed: u64,
) -> Result<ImageTable> {
    let rows = examples.iter().map(|(name, [_, style, _])| {
        let (tokens, mut images) =
            (runner.style_tokens(std::slice::from_ref(style))?, vec![style.clone()]);
        for &steps in steps {
            let settings =
                Settings { steps, seed, temperature: TEMPERATURE, ..Settings::default() };
            let model = runner.transfer.model_mut();
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
