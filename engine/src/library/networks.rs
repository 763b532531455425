//! The networks of a model in the library.

use std::ptr::NonNull;
use std::sync::Arc;

use super::{Device, abi};
use crate::config::ModelConfig;
use crate::image::MelImage;
use crate::latency_mode::LatencyMode;
use crate::models::model::{Conditioning, LatentDims};
use crate::pipeline::TransferModel;
use crate::style::StyleTokens;
use crate::style::profile::mean_profile;
use crate::{Error, Result};

/// Longest error message from the library, in bytes.
const MESSAGE_BYTES: usize = 1024;

/// Calls a function of the library and converts its message to an error.
fn call(function: impl FnOnce(abi::Room<u8>) -> abi::StatusCode) -> Result<()> {
    let mut message = [0; MESSAGE_BYTES];
    if function(abi::Room::from_slice(&mut message)) == abi::OK {
        return Ok(());
    }
    let text = message.split(|byte| *byte == 0).next().unwrap_or_default();
    Err(Error::Compute(String::from_utf8_lossy(text).into_owned()))
}

/// A model on the library's device.
pub(super) struct OpenModel {
    functions: &'static abi::Functions,
    handle: NonNull<abi::Model>,
}

// SAFETY: the library allows any number of threads to open streams on a model, and it stays loaded.
unsafe impl Send for OpenModel {}
// SAFETY: as above.
unsafe impl Sync for OpenModel {}

impl OpenModel {
    /// Loads the model in a file's bytes onto the device.
    pub fn open(functions: &'static abi::Functions, file: &[u8], device: Device) -> Result<Self> {
        let device = match device {
            Device::Cpu => abi::DEVICE_CPU,
            Device::Cuda => abi::DEVICE_CUDA,
        };
        let (file, mut handle) = (abi::View::from_slice(Some(file)), std::ptr::null_mut());
        // SAFETY: all pointers are valid until the call returns.
        call(|message| unsafe { (functions.open_model)(file, device, &mut handle, message) })?;
        let handle = NonNull::new(handle)
            .ok_or_else(|| Error::Compute("the library returned no model".into()))?;
        Ok(Self { functions, handle })
    }
}

impl Drop for OpenModel {
    fn drop(&mut self) {
        // SAFETY: opened above and closed once.
        unsafe { (self.functions.close_model)(self.handle.as_ptr()) };
    }
}

/// One stream of a model in a library.
pub struct Networks {
    model: Arc<OpenModel>,
    config: Arc<ModelConfig>,
    handle: NonNull<abi::Stream>,
}

// SAFETY: the library requires that one thread at a time uses a stream, but not always the same
// one.
unsafe impl Send for Networks {}

impl Networks {
    pub(super) fn new(model: &Arc<OpenModel>, config: &Arc<ModelConfig>) -> Result<Self> {
        let mut handle = std::ptr::null_mut();
        let open = model.functions.open_stream;
        // SAFETY: the model is open, and the pointers are valid until the call returns.
        call(|message| unsafe { open(model.handle.as_ptr(), &mut handle, message) })?;
        let handle = NonNull::new(handle)
            .ok_or_else(|| Error::Compute("the library returned no stream".into()))?;
        Ok(Self { model: Arc::clone(model), config: Arc::clone(config), handle })
    }
}

impl Drop for Networks {
    fn drop(&mut self) {
        // SAFETY: opened above and closed once.
        unsafe { (self.model.functions.close_stream)(self.handle.as_ptr()) };
    }
}

/// A latent in the interface's form.
fn latent(dims: LatentDims, data: &[f32]) -> abi::Latent {
    abi::Latent { dims, data: abi::View::from_slice(Some(data)) }
}

impl TransferModel for Networks {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn mode(&self) -> LatencyMode {
        LatencyMode::Quality
    }

    fn style_tokens(&mut self, images: &[MelImage]) -> Result<StyleTokens> {
        let (n_mels, frames) = images.first().map_or((0, 0), |image| (image.n_mels, image.frames));
        if images.iter().any(|image| (image.n_mels, image.frames) != (n_mels, frames)) {
            return Err(Error::invalid("style reference", "images of one size", "several sizes"));
        }
        let data: Vec<f32> = images.iter().flat_map(|image| &image.data).copied().collect();
        let image = abi::Image { n_mels, frames, data: abi::View::from_slice(Some(&data)) };
        let config = &self.config.style;
        let count = images.len() * config.token_count(n_mels, frames);
        let mut style = StyleTokens {
            model: String::new(),
            dim: config.dim,
            tokens: vec![0.0; count * config.dim],
            pooled: vec![0.0; config.dim],
            profile: Vec::new(),
            instruments: vec![0.0; config.instruments.len()],
        };
        let [tokens, pooled, instruments] =
            [&mut style.tokens, &mut style.pooled, &mut style.instruments]
                .map(|room| abi::Room::from_slice(room));
        let (function, stream) = (self.model.functions.style_tokens, self.handle.as_ptr());
        // SAFETY: the stream is open and used by this thread alone; all pointers are valid until
        // the call returns.
        call(|message| unsafe { function(stream, image, tokens, pooled, instruments, message) })?;
        if self.config.unet.profile_channels > 0 {
            style.profile = mean_profile(images);
        }
        Ok(style)
    }

    fn encode(&mut self, image: &MelImage) -> Result<Vec<f32>> {
        let MelImage { n_mels, frames, data } = image;
        let r = self.config.autoencoder.reduction();
        let mut latent =
            vec![0.0; n_mels / r * (frames / r) * self.config.autoencoder.latent_channels];
        let image = abi::Image {
            n_mels: *n_mels,
            frames: *frames,
            data: abi::View::from_slice(Some(data)),
        };
        let (room, function) = (abi::Room::from_slice(&mut latent), self.model.functions.encode);
        // SAFETY: as in `style_tokens`.
        call(|message| unsafe { function(self.handle.as_ptr(), image, room, message) })?;
        Ok(latent)
    }

    fn decode(&mut self, clean: &[f32], dims: LatentDims) -> Result<MelImage> {
        let r = self.config.autoencoder.reduction();
        let mut image = MelImage::filled(dims[0] * r, dims[1] * r, 0.0);
        let (room, function) =
            (abi::Room::from_slice(&mut image.data), self.model.functions.decode);
        // SAFETY: as in `style_tokens`.
        call(|message| unsafe {
            function(self.handle.as_ptr(), latent(dims, clean), room, message)
        })?;
        Ok(image)
    }

    fn denoise(
        &mut self,
        noisy: &[f32],
        dims: LatentDims,
        timestep: usize,
        conditionings: &[Conditioning],
    ) -> Result<Vec<Vec<f32>>> {
        let foreign = |conditioning: &Conditioning| abi::Conditioning {
            content: abi::View::from_slice(conditioning.content),
            tokens: abi::View::from_slice(conditioning.style.map(|style| &style.tokens[..])),
            pooled: abi::View::from_slice(conditioning.style.map(|style| &style.pooled[..])),
            profile: abi::View::from_slice(conditioning.style.map(|style| &style.profile[..])),
            prefix_columns: conditioning.prefix_columns,
        };
        let foreign: Vec<abi::Conditioning> = conditionings.iter().map(foreign).collect();
        let mut predictions = vec![0.0; conditionings.len() * noisy.len()];
        let (room, function) =
            (abi::Room::from_slice(&mut predictions), self.model.functions.denoise);
        let (noisy_latent, conditionings) =
            (latent(dims, noisy), abi::View::from_slice(Some(&foreign)));
        let stream = self.handle.as_ptr();
        // SAFETY: as in `style_tokens`; the conditionings' views refer to the caller's slices.
        call(|message| unsafe {
            function(stream, noisy_latent, timestep, conditionings, room, message)
        })?;
        Ok(predictions.chunks_exact(noisy.len().max(1)).map(<[f32]>::to_vec).collect())
    }
}
