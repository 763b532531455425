//! One variable, and what the optimiser remembers of it.

use std::collections::HashMap;

use anyhow::Context;
use candle_core::{DType, Device, Tensor, Var};

use super::config::{AdamWConfig, MUON_SIDE};
use super::update::Update;

/// A variable that is moved.
pub struct Slot {
    name: String,
    var: Var,
    decays: bool,
    moments: Moments,
}

/// What is remembered, where the variable is.
enum Moments {
    /// AdamW's first and second.
    Host {
        first: Vec<f32>,
        second: Vec<f32>,
    },
    Device {
        first: Tensor,
        second: Tensor,
    },
    /// Muon's.
    HostMomentum(Vec<f32>),
    DeviceMomentum(Tensor),
}

impl Slot {
    /// Nothing is remembered yet.
    pub fn new(name: &str, var: &Var, config: &AdamWConfig) -> anyhow::Result<Self> {
        anyhow::ensure!(
            var.dtype() == DType::F32,
            "trained variable `{name}`: expected f32, found {:?}",
            var.dtype()
        );
        let (zeros, decays) = (var.zeros_like()?, var.rank() >= 2);
        let hidden = decays && var.dim(0)?.min(var.elem_count() / var.dim(0)?) >= MUON_SIDE;
        let moments = match hidden && config.muon_momentum > 0.0 {
            true => Moments::from_momentum(zeros, var.device())?,
            false => Moments::from_tensors(zeros.clone(), zeros, var.device())?,
        };
        Ok(Self { name: name.to_string(), decays, var: var.clone(), moments })
    }

    /// The variable.
    pub fn var(&self) -> &Var {
        &self.var
    }

    /// Moves the variable.
    pub fn step(&mut self, gradient: &Tensor, update: &Update) -> candle_core::Result<()> {
        let update = if self.decays { *update } else { update.without_decay() };
        match &mut self.moments {
            Moments::Host { first, second } => update.on_host(&self.var, gradient, first, second),
            Moments::Device { first, second } => {
                update.on_device(&self.var, gradient, first, second)
            }
            Moments::HostMomentum(momentum) => update.muon_on_host(&self.var, gradient, momentum),
            Moments::DeviceMomentum(momentum) => {
                update.muon_on_device(&self.var, gradient, momentum)
            }
        }
    }

    /// What is remembered, by names that tell whose it is.
    pub fn state(&self) -> candle_core::Result<Vec<(String, Tensor)>> {
        let tensors = self.moments.tensors(&self.var)?.into_iter();
        Ok(tensors.map(|(kind, tensor)| (format!("{kind}.{}", self.name), tensor)).collect())
    }

    /// Remembers a saved [`state`](Self::state).
    pub fn restore(&mut self, tensors: &HashMap<String, Tensor>) -> anyhow::Result<()> {
        let moment = |kind: &str| {
            let name = format!("{kind}.{}", self.name);
            let tensor = tensors.get(&name).with_context(|| {
                format!(
                    "optimiser state: `{name}` is missing (optimiser.muon_momentum has to stay 0, or above it)"
                )
            })?;
            let (expected, found) = (self.var.dims(), tensor.dims());
            anyhow::ensure!(
                found == expected,
                "optimiser state: `{name}`: expected shape {expected:?}, found {found:?}"
            );
            Ok(tensor.clone())
        };
        self.moments = match self.moments {
            Moments::HostMomentum(_) | Moments::DeviceMomentum(_) => {
                Moments::from_momentum(moment("momentum")?, self.var.device())?
            }
            _ => Moments::from_tensors(moment("first")?, moment("second")?, self.var.device())?,
        };
        Ok(())
    }
}

impl Moments {
    fn from_tensors(first: Tensor, second: Tensor, device: &Device) -> candle_core::Result<Self> {
        Ok(match device.is_cpu() {
            true => Self::Host { first: values(first)?, second: values(second)? },
            false => {
                Self::Device { first: first.to_device(device)?, second: second.to_device(device)? }
            }
        })
    }

    fn from_momentum(momentum: Tensor, device: &Device) -> candle_core::Result<Self> {
        Ok(match device.is_cpu() {
            true => Self::HostMomentum(values(momentum)?),
            false => Self::DeviceMomentum(momentum.to_device(device)?),
        })
    }

    fn tensors(&self, var: &Var) -> candle_core::Result<Vec<(&'static str, Tensor)>> {
        let tensor = |values: &[f32]| Tensor::from_slice(values, var.shape(), &Device::Cpu);
        Ok(match self {
            Self::Host { first, second } => {
                vec![("first", tensor(first)?), ("second", tensor(second)?)]
            }
            Self::Device { first, second } => {
                vec![("first", first.clone()), ("second", second.clone())]
            }
            Self::HostMomentum(momentum) => vec![("momentum", tensor(momentum)?)],
            Self::DeviceMomentum(momentum) => vec![("momentum", momentum.clone())],
        })
    }
}

fn values(tensor: Tensor) -> candle_core::Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1()
}
