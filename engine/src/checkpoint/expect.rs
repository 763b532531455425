//! Whether the tensors of a file are those that the networks ask for.

use std::collections::BTreeMap;

use super::Checkpoint;
use crate::{Error, Result};

impl Checkpoint {
    /// Refuses a missing, an extra and a wrongly shaped tensor by name.
    ///
    /// `parameters` is the networks' own list: name and shape of every parameter that this file's
    /// config asks for.
    pub fn expect(&self, parameters: &[(String, Vec<usize>)]) -> Result<()> {
        let wanted: BTreeMap<&str, &[usize]> =
            parameters.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())).collect();
        for (&name, &shape) in &wanted {
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
        match self.tensors.iter().find(|(name, _)| !wanted.contains_key(name.as_str())) {
            None => Ok(()),
            Some((name, tensor)) => {
                let found = format!("one of shape {:?}", tensor.shape);
                Err(Error::checkpoint(name, "no tensor of this name", found))
            }
        }
    }
}
