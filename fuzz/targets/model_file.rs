//! Any bytes are a usable model or are refused.
#![no_main]

use engine::checkpoint::{Checkpoint, Precision};
use engine::inference_model::InferenceModel;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(checkpoint) = Checkpoint::from_bytes(bytes) else {
        return;
    };
    let written = checkpoint.to_bytes(Precision::F32).expect("written");
    let again = Checkpoint::from_bytes(&written).expect("its own file");
    assert_eq!(again.tensors, checkpoint.tensors);
    // The inputs are too small for the tensors of a network, so it must be refused.
    assert!(InferenceModel::packed(&checkpoint).is_err());
});
