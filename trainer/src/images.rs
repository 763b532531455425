//! Conversion between mel images and batches.

use anyhow::Result;
use candle_core::{Device, Tensor};
use engine::image::MelImage;

use crate::data::dataset::{ImageRef, ImageSet};

/// Images of a dataset as a batch `(B, n_mels, frames, 1)`, values in `[0, 1]`.
pub fn image_batch(data: &dyn ImageSet, refs: &[ImageRef], device: &Device) -> Result<Tensor> {
    let (n_mels, frames) = (data.mel().n_mels, data.window().frames);
    let mut values = Vec::with_capacity(refs.len() * n_mels * frames);
    refs.iter().for_each(|&at| data.extend_f32(at, &mut values));
    Ok(Tensor::from_vec(values, (refs.len(), n_mels, frames, 1), device)?)
}

/// Images of equal size as a batch `(B, n_mels, frames, 1)`.
pub fn as_batch(images: &[MelImage], device: &Device) -> Result<Tensor> {
    let (n_mels, frames) = images.first().map_or((0, 0), |image| (image.n_mels, image.frames));
    let values: Vec<f32> = images.iter().flat_map(|image| &image.data).copied().collect();
    Ok(Tensor::from_vec(values, (images.len(), n_mels, frames, 1), device)?)
}

/// The images of a batch `(B, n_mels, frames, 1)`, clamped to `[0, 1]`.
pub fn to_images(batch: &Tensor) -> Result<Vec<MelImage>> {
    let (count, n_mels, frames, _) = batch.dims4()?;
    let values = batch.flatten_all()?.to_vec1::<f32>()?;
    let image = |data: &[f32]| MelImage {
        n_mels,
        frames,
        data: data.iter().map(|v| v.clamp(0.0, 1.0)).collect(),
    };
    Ok(values.chunks_exact(values.len() / count.max(1)).map(image).collect())
}
