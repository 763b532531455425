//! The measured stages of a window and their inputs.

use anyhow::{Context, Result};
use engine::diffusion::noise;
use engine::image::MelImage;
use engine::inference_model::reference_images;
use engine::models::model::{Conditioning, LatentDims, Model};
use engine::nn::packed::Packed;
use engine::reference::Reference;
use engine::style::StyleTokens;

/// One call of a network.
#[derive(Clone, Copy)]
pub enum Stage {
    Encode,
    StyleTokens,
    /// The keys and values of the style, computed once for all steps.
    PrecomputeStyle,
    Step,
    GuidedStep,
    Decode,
}

impl Stage {
    pub const ALL: [Self; 6] = [
        Self::Encode,
        Self::StyleTokens,
        Self::PrecomputeStyle,
        Self::Step,
        Self::GuidedStep,
        Self::Decode,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Encode => "encode",
            Self::StyleTokens => "compute the style tokens of one window",
            Self::PrecomputeStyle => "precompute a style, once for all steps",
            Self::Step => "denoise, one step",
            Self::GuidedStep => "denoise, one guided step",
            Self::Decode => "decode",
        }
    }
}

/// The inputs of all stages, equal for every framework.
pub struct StageInputs {
    pub image: MelImage,
    pub noisy: Vec<f32>,
    pub content: Vec<f32>,
    pub dims: LatentDims,
    pub timestep: usize,
    pub style: StyleTokens,
}

impl StageInputs {
    /// Inputs from the first window of the reference, with the noise of the first timestep.
    pub fn new(model: &Model<Packed>, reference: &Reference, style: StyleTokens) -> Result<Self> {
        let images = reference_images(model.config(), reference)?;
        let image = images.into_iter().next().context("a window of the reference")?;
        let dims = model.latent_dims(image.n_mels, image.frames);
        Ok(Self {
            noisy: noise::window(0, 0, dims[0], dims[1], dims[2]),
            content: model.encode(&mut Packed::default(), &image)?,
            timestep: model.config().diffusion.train_timesteps - 1,
            style,
            image,
            dims,
        })
    }

    /// Conditionings with and without style. A step without guidance uses only the first.
    pub fn conditionings(&self) -> [Conditioning<'_>; 2] {
        let styled = Conditioning {
            content: Some(&self.content),
            style: Some(&self.style),
            prefix_columns: 0,
        };
        [styled, Conditioning { style: None, ..styled }]
    }
}
