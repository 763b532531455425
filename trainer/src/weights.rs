//! Conversion of weights between checkpoints and trained networks.

use std::collections::BTreeMap;

use engine::checkpoint::StoredTensor;
use engine::nn::candle::{NamedTensors, ParamStore};

/// Inserts the tensors of a checkpoint into a store, as initial or constant weights.
pub fn fill<'a>(
    store: &mut ParamStore,
    tensors: impl IntoIterator<Item = (&'a String, &'a StoredTensor)>,
) {
    for (name, tensor) in tensors {
        store.insert(name.clone(), tensor.shape.clone(), tensor.data.clone());
    }
}

/// Converts weights to the tensors of a checkpoint.
pub fn stored(weights: NamedTensors) -> BTreeMap<String, StoredTensor> {
    weights.into_iter().map(|(name, (shape, data))| (name, StoredTensor { shape, data })).collect()
}
