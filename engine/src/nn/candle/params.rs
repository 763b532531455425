//! The weights of a network in training: created, loaded, listed and exported by name.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor, Var};

use crate::nn::backend::{ConvSpec, Init};
use crate::nn::packed::{TensorSource, fetch, to_channels_last};
use crate::{Error, Result};

/// Shape and row-major data by name.
pub type NamedTensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Named weights. Convolutions are `[c_out, k, k, c_in]` in memory, and torch's `[c_out, c_in, k,
/// k]` in files.
#[derive(Debug)]
pub struct ParamStore {
    device: Device,
    seed: u64,
    trainable: bool,
    params: BTreeMap<String, Param>,
    initial: NamedTensors,
}

#[derive(Debug)]
struct Param {
    var: Var,
    /// Set if the memory order differs from the stored order.
    spec: Option<ConvSpec>,
}

impl ParamStore {
    /// An empty store. Layers built from it are initialised at random, determined by `seed` and
    /// their name.
    pub fn new(device: &Device, seed: u64) -> Self {
        Self {
            device: device.clone(),
            seed,
            trainable: true,
            params: BTreeMap::new(),
            initial: BTreeMap::new(),
        }
    }

    /// A store of constants. Layers built from it have no gradient.
    pub fn frozen(device: &Device) -> Self {
        Self { trainable: false, ..Self::new(device, 0) }
    }

    /// Sets the initial value of `name`, instead of a random one. Call it before building the
    /// layer.
    pub fn insert(&mut self, name: impl Into<String>, shape: Vec<usize>, data: Vec<f32>) {
        self.initial.insert(name.into(), (shape, data));
    }

    /// All variables, sorted by name.
    pub fn variables(&self) -> Vec<(String, Var)> {
        self.params.iter().map(|(name, param)| (name.clone(), param.var.clone())).collect()
    }

    /// All weights in torch's shapes and order, sorted by name.
    pub fn export(&self) -> Result<NamedTensors> {
        self.params
            .iter()
            .map(|(name, param)| Ok((name.clone(), param.stored(param.var.as_tensor())?)))
            .collect()
    }

    /// Another tensor in `name`'s memory layout (such as a moving average), in torch's shape and
    /// order.
    pub fn export_as(&self, name: &str, value: &Tensor) -> Result<(Vec<usize>, Vec<f32>)> {
        let param = self
            .params
            .get(name)
            .ok_or_else(|| Error::checkpoint(name, "a weight of this network", "none"))?;
        param.stored(value)
    }

    pub(super) fn conv(&mut self, name: &str, spec: ConvSpec) -> Result<(Tensor, Option<Tensor>)> {
        let bound = 1.0 / ((spec.c_in * spec.kernel * spec.kernel) as f64).sqrt();
        let bound = if spec.init == Init::Zero { 0.0 } else { bound };
        let key = format!("{name}.weight");
        let stored = self.start(&key, &spec.weight_shape(), |unit| (unit * 2.0 - 1.0) * bound)?;
        let shape = vec![spec.c_out, spec.kernel, spec.kernel, spec.c_in];
        let weight = self.create(key, shape, to_channels_last(&stored, &spec), Some(spec))?;
        if !spec.bias {
            return Ok((weight, None));
        }
        let key = format!("{name}.bias");
        let bias = self.start(&key, &[spec.c_out], |unit| (unit * 2.0 - 1.0) * bound)?;
        Ok((weight, Some(self.create(key, vec![spec.c_out], bias, None)?)))
    }

    pub(super) fn norm(&mut self, name: &str, channels: usize) -> Result<(Tensor, Tensor)> {
        let mut load = |part: &str, value: f64| {
            let key = format!("{name}.{part}");
            let start = self.start(&key, &[channels], |_| value)?;
            self.create(key, vec![channels], start, None)
        };
        Ok((load("weight", 1.0)?, load("bias", 0.0)?))
    }

    /// The inserted initial value of `key`, or random numbers determined by the seed and the name.
    fn start(&self, key: &str, shape: &[usize], draw: impl Fn(f64) -> f64) -> Result<Vec<f32>> {
        if !self.trainable || self.initial.contains_key(key) {
            return fetch(self, key, shape).map(<[f32]>::to_vec);
        }
        let mut state = key.bytes().fold(self.seed ^ 0xcbf2_9ce4_8422_2325, |h, b| {
            (h ^ b as u64).wrapping_mul(0x0100_0000_01b3)
        });
        let count = shape.iter().product();
        Ok((0..count).map(|_| draw(uniform(&mut state)) as f32).collect())
    }

    fn create(
        &mut self,
        key: String,
        shape: Vec<usize>,
        data: Vec<f32>,
        spec: Option<ConvSpec>,
    ) -> Result<Tensor> {
        if self.params.contains_key(&key) {
            return Err(Error::checkpoint(key, "a unique name", "a second layer of that name"));
        }
        let var = Var::from_vec(data, shape, &self.device)?;
        let tensor =
            if self.trainable { var.as_tensor().clone() } else { var.as_detached_tensor() };
        self.params.insert(key, Param { var, spec });
        Ok(tensor)
    }
}

impl TensorSource for ParamStore {
    fn get(&self, name: &str) -> Option<(&[usize], &[f32])> {
        self.initial.get(name).map(|(shape, data)| (shape.as_slice(), data.as_slice()))
    }
}

impl Param {
    fn stored(&self, value: &Tensor) -> Result<(Vec<usize>, Vec<f32>)> {
        let Some(spec) = self.spec else {
            return Ok((value.dims().to_vec(), value.flatten_all()?.to_vec1()?));
        };
        let torch_order = value.permute((0, 3, 1, 2))?.contiguous()?;
        Ok((spec.weight_shape(), torch_order.flatten_all()?.to_vec1()?))
    }
}

/// SplitMix64 (Steele et al. 2014), mapped to `[0, 1)`.
fn uniform(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}
