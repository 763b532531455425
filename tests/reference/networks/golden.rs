//! The golden file of the networks: config, weights, inputs, and torch's outputs and gradients.

use std::collections::BTreeMap;

use candle_core::Device;
use engine::config::ModelConfig;
use engine::nn::Backend;
use engine::nn::candle::ParamStore;
use safetensors::{Dtype, SafeTensors};

/// Largest difference of an output, relative to torch's largest value.
const OUTPUT_TOLERANCE: f32 = 1e-4;
pub(super) struct Array {
    pub(super) shape: Vec<usize>,
    pub(super) data: Vec<f32>,
}

pub(super) struct Golden {
    pub(super) config: ModelConfig,
    pub(super) arrays: BTreeMap<String, Array>,
}

impl Golden {
    pub(super) fn read() -> Self {
        let bytes = include_bytes!("../../golden/networks.safetensors");
        let (_, metadata) = SafeTensors::read_metadata(bytes).expect("metadata");
        let text = &metadata.metadata().as_ref().expect("metadata")["config"];
        let mut parts: BTreeMap<String, serde_json::Value> =
            serde_json::from_str(text).expect("config");
        let mut part = |name| parts.remove(name).expect("a part of the config");
        let config = ModelConfig {
            autoencoder: serde_json::from_value(part("autoencoder")).expect("autoencoder"),
            style: serde_json::from_value(part("style")).expect("style"),
            unet: serde_json::from_value(part("unet")).expect("unet"),
            ..ModelConfig::default()
        };
        let file = SafeTensors::deserialize(bytes).expect("tensors");
        let arrays = file.tensors().into_iter().map(|(name, view)| {
            let data = match view.dtype() {
                Dtype::U8 => view.data().iter().map(|&v| f32::from(v) / 255.0).collect(),
                _ => view.data().as_chunks().0.iter().map(|&v| f32::from_le_bytes(v)).collect(),
            };
            (name, Array { shape: view.shape().to_vec(), data })
        });
        Self { config, arrays: arrays.collect() }
    }

    /// The array of this name. A missing array fails the test.
    pub(super) fn get(&self, name: &str) -> &Array {
        self.arrays.get(name).unwrap_or_else(|| panic!("no golden {name}"))
    }

    pub(super) fn data(&self, name: &str) -> &[f32] {
        &self.get(name).data
    }

    /// An array of four dimensions as a tensor of the executor.
    pub(super) fn activation<B: Backend>(&self, ops: &mut B, name: &str) -> B::Tensor {
        let Array { shape, data } = self.get(name);
        ops.tensor(shape.as_slice().try_into().expect("four dimensions"), data).expect("activation")
    }

    /// The names of arrays that start with `prefix`, without it.
    pub(super) fn names<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.arrays.keys().filter_map(move |name| name.strip_prefix(prefix))
    }

    /// All golden weights, for either executor.
    pub(super) fn weights(&self) -> ParamStore {
        let mut store = ParamStore::new(&Device::Cpu, 0);
        for name in self.names("weight/") {
            let Array { shape, data } = self.get(&format!("weight/{name}"));
            store.insert(name, shape.clone(), data.clone());
        }
        store
    }

    /// Asserts that shape and values match `out/{name}`.
    pub(super) fn assert_equals(&self, name: &str, shape: &[usize], ours: &[f32]) {
        let torchs = self.get(&format!("out/{name}"));
        assert_eq!(shape, torchs.shape, "{name}: shape");
        assert_eq!(ours.len(), torchs.data.len(), "{name}: values");
        let scale = largest(torchs.data.iter().copied());
        let difference = largest(ours.iter().zip(&torchs.data).map(|(a, b)| a - b)) / scale;
        println!("{name}: {difference:.1e}");
        assert!(difference <= OUTPUT_TOLERANCE, "{name}: {difference:e} from torch");
    }

    pub(super) fn assert_activation<B: Backend>(&self, name: &str, ops: &mut B, ours: &B::Tensor) {
        let data = ops.data(ours).expect("data");
        self.assert_equals(name, &ops.dims(ours), &data);
    }
}

/// The largest magnitude; NaN if any value is NaN.
pub(super) fn largest(values: impl Iterator<Item = f32>) -> f32 {
    values.fold(0.0, |most: f32, v| if most.is_nan() || v.abs() <= most { most } else { v.abs() })
}

/// Euclidean length.
pub(super) fn norm(values: &[f32]) -> f32 {
    values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt() as f32
}

pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>() as f32
}
