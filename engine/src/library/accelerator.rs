//! A model that plays on a library's device as long as that computes, and on the CPU from then on.

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
    /// Puts a model that plays on the CPU on the library's device too, and compares their answers.
    ///
    /// # Errors
    /// One sentence if there is no such device, it has not enough memory, or computes something
    /// else.
    pub fn open(
        library: &Library,
        checkpoint: &Checkpoint,
        cpu: &InferenceModel<Packed>,
    ) -> Result<Self> {
        let model = Arc::new(library.model(checkpoint)?);
        let config = Arc::new(cpu.config().clone());
        let mut here = BackendModel::new(cpu.model(), Packed::default());
        require_agreement(&mut here, &mut Networks::new(&model, &config)?)?;
        Ok(Self { model, config, fault: Fault::default() })
    }

    /// The networks for one stream: a device's before the CPU's, or the CPU's alone where there is
    /// none or it has given up.
    pub fn networks(
        device: Option<&Self>,
        cpu: &InferenceModel<Packed>,
        mode: LatencyMode,
    ) -> Box<dyn TransferModel> {
        let here = Box::new(BackendModel::new(cpu.model(), Packed::default()).in_mode(mode));
        let Some(device) = device.filter(|device| device.fault().is_none()) else { return here };
        match Networks::new(&device.model, &device.config) {
            Ok(there) => Box::new(Fallback::new(Box::new(there), here, &device.fault)),
            Err(error) => {
                device.fault.occurred(&error);
                here
            }
        }
    }

    /// Why the CPU plays, once the device has given up.
    pub fn fault(&self) -> Option<&str> {
        self.fault.reason()
    }
}
