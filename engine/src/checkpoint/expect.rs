//! Checks that a file has exactly the tensors of the networks.

use std::collections::BTreeMap;

use super::Checkpoint;
use crate::{Error, Result};

impl Checkpoint {
    /// Checks names and shapes of all tensors against `parameters`, the networks' own list for this
    /// file's config.
    ///
    /// # Errors
    /// Names the first missing, extra or misshapen tensor.
    pub fn expect(&self, parameters: &[(String, Vec<usize>)]) -> Result<()> {
        let required: BTreeMap<&str, &[usize]> =
            parameters.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())).collect();
        for (&name, &shape) in &required {
            match self.tensors.get(name) {
                None => {
                    return Err(Error::checkpoint(
                        name,
                        format!("a tensor of shape {shape:?}"),
                        "nothing",
                    ));
                }
                Some(tensor) if tensor.shape != shape => {
                    let found = format!("{:?}", tensor.shape);
                    return Err(Error::checkpoint(name, format!("shape {shape:?}"), found));
                }
                Some(_) => {}
            }
        }
        match self.tensors.iter().find(|(name, _)| !required.contains_key(name.as_str())) {
            None => Ok(()),
            Some((name, tensor)) => {
                let found = format!("a tensor of shape {:?}", tensor.shape);
                Err(Error::checkpoint(name, "no tensor of this name", found))
            }
        }
    }
}
