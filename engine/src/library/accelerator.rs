//! A model on a library's device, with the CPU as fallback after a device error.

use std::sync::Arc;

use super::networks::OpenModel;
use super::{Fallback, Fault, Library, Networks, require_agreement};
use crate::Result;
use crate::checkpoint::Checkpoint;
use crate::config::ModelConfig;
use crate::inference_model::InferenceModel;
use crate::latency_mode::LatencyMode;
use crate::nn::packed::Packed;
use crate::pipeline::{BackendModel, TransferModel};

/// A model on a library's device.
pub struct Accelerator {
    model: Arc<OpenModel>,
    config: Arc<ModelConfig>,
    fault: Fault,
}

impl Accelerator {
    /// Loads a model onto the library's device and compares its results with the CPU's.
    ///
    /// # Errors
    /// If the device is missing or out of memory, or computes other results.
    pub fn open(
        library: &Library,
        checkpoint: &Checkpoint,
        cpu: &InferenceModel<Packed>,
    ) -> Result<Self> {
        let model = Arc::new(library.model(checkpoint)?);
        let config = Arc::new(cpu.config().clone());
        let mut on_cpu = BackendModel::new(cpu.model(), Packed::default());
        require_agreement(&mut on_cpu, &mut Networks::new(&model, &config)?)?;
        Ok(Self { model, config, fault: Fault::default() })
    }

    /// The networks for one stream, on the device with fallback to the CPU. They are on the CPU
    /// alone if there is no device or it has failed.
    pub fn networks(
        device: Option<&Self>,
        cpu: &InferenceModel<Packed>,
        mode: LatencyMode,
    ) -> Box<dyn TransferModel> {
        let on_cpu = Box::new(BackendModel::new(cpu.model(), Packed::default()).in_mode(mode));
        let Some(device) = device.filter(|device| device.fault().is_none()) else { return on_cpu };
        match Networks::new(&device.model, &device.config) {
            Ok(on_device) => Box::new(Fallback::new(Box::new(on_device), on_cpu, &device.fault)),
            Err(error) => {
                device.fault.record(&error);
                on_cpu
            }
        }
    }

    /// The device's error, after which streams run on the CPU.
    pub fn fault(&self) -> Option<&str> {
        self.fault.reason()
    }
}
