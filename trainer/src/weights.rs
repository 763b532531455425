//! Weights between a checkpoint and a network that trains.

use std::collections::BTreeMap;

use engine::checkpoint::StoredTensor;
use engine::nn::candle::{NamedTensors, ParamStore};

/// The tensors of a checkpoint, as a store of starts or constants.
pub fn fill<'a>(
    store: &mut ParamStore,
    tensors: impl IntoIterator<Item = (&'a String, &'a StoredTensor)>,
) {
    for (name, tensor) in tensors {
        store.insert(name.clone(), tensor.shape.clone(), tensor.data.clone());
    }
}

/// Weights as a checkpoint stores them.
pub fn stored(weights: NamedTensors) -> BTreeMap<String, StoredTensor> {
    weights.into_iter().map(|(name, (shape, data))| (name, StoredTensor { shape, data })).collect()
}
