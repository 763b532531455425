//! The types behind the handles.

use candle_core::Device;
use engine::checkpoint::Checkpoint;
use engine::config::ModelConfig;
use engine::inference_model::InferenceModel;
use engine::library::abi::{self, DEVICE_CPU, DEVICE_CUDA};
use engine::models::model::{Conditioning, LatentDims};
use engine::nn::candle::Candle;
use engine::pipeline::{BackendModel, TransferModel};
use engine::style::StyleTokens;
use engine::{Error, Result};

/// A model on a device.
pub struct Model {
    inference_model: InferenceModel<Candle>,
    device: Device,
}

impl Model {
    /// Loads the model in a file's bytes.
    pub fn open(file: &[u8], device: u32) -> Result<Self> {
        let device = open_device(device)?;
        let inference_model = InferenceModel::candle(&Checkpoint::from_bytes(file)?, &device)?;
        Ok(Self { inference_model, device })
    }

    /// The networks for one stream.
    pub fn stream(&self) -> Stream {
        let ops = Candle::new(self.device.clone());
        Stream { networks: BackendModel::new(self.inference_model.model(), ops) }
    }
}

fn open_device(device: u32) -> Result<Device> {
    match device {
        DEVICE_CPU => Ok(Device::Cpu),
        DEVICE_CUDA if !cfg!(feature = "cuda") => {
            Err(Error::Compute("the library was built without CUDA".into()))
        }
        // One CUDA stream for all threads. With one per thread (`new_cuda`), threads would share
        // cuBLAS's workspace; see `docs/decisions/017-cuda-library.md`.
        DEVICE_CUDA => Device::new_cuda_with_stream(0)
            .map_err(|error| Error::Compute(format!("no usable CUDA GPU: {error}"))),
        other => Err(Error::invalid("device", format!("{DEVICE_CPU} or {DEVICE_CUDA}"), other)),
    }
}

/// The state of one stream.
pub struct Stream {
    /// The networks, with the style that was computed last.
    pub networks: BackendModel<Candle>,
}

impl Stream {
    fn config(&self) -> &ModelConfig {
        self.networks.config()
    }

    /// Checks that a latent has the size `dims` and the model's channels.
    pub fn check(&self, dims: LatentDims, data: &[f32]) -> Result<()> {
        let size = dims.iter().try_fold(1usize, |size, dim| size.checked_mul(*dim));
        let channels = self.config().autoencoder.latent_channels;
        if dims[2] == channels && !data.is_empty() && size == Some(data.len()) {
            return Ok(());
        }
        let expected = format!("rows x columns x {channels} values");
        Err(Error::invalid("latent", expected, format!("{} values for {dims:?}", data.len())))
    }

    /// The style of a conditioning; `None` for no style.
    ///
    /// # Safety
    /// As [`abi::View::slice`] for its views.
    pub unsafe fn style(&self, conditioning: &abi::Conditioning) -> Option<StyleTokens> {
        // SAFETY: as the caller promises.
        let (tokens, [pooled, profile]) = unsafe {
            (
                conditioning.tokens.slice()?,
                [conditioning.pooled, conditioning.profile]
                    .map(|view| view.slice().unwrap_or_default()),
            )
        };
        Some(StyleTokens {
            dim: self.config().style.dim,
            tokens: tokens.to_vec(),
            pooled: pooled.to_vec(),
            profile: profile.to_vec(),
            ..StyleTokens::default()
        })
    }

    /// One prediction per conditioning.
    ///
    /// # Safety
    /// As [`abi::View::slice`] for all views.
    pub unsafe fn denoise(
        &mut self,
        noisy: &[f32],
        dims: LatentDims,
        timestep: usize,
        foreign: &[abi::Conditioning],
    ) -> Result<Vec<Vec<f32>>> {
        self.check(dims, noisy)?;
        // SAFETY: as the caller promises.
        let styles: Vec<_> =
            foreign.iter().map(|conditioning| unsafe { self.style(conditioning) }).collect();
        let mut conditionings = Vec::with_capacity(foreign.len());
        for (conditioning, style) in foreign.iter().zip(&styles) {
            // SAFETY: as the caller promises.
            let content = unsafe { conditioning.content.slice() };
            content.map_or(Ok(()), |content| self.check(dims, content))?;
            conditionings.push(Conditioning {
                content,
                style: style.as_ref(),
                prefix_columns: conditioning.prefix_columns,
            });
        }
        self.networks.denoise(noisy, dims, timestep, &conditionings)
    }
}
