//! `trainer export`: a run's checkpoint as a file to ship.

use std::path::{Path, PathBuf};

use engine::Result;
use engine::checkpoint::{Checkpoint, Kind, Precision};
use engine::playable::Playable;
use serde_json::Value;

/// Writes a trained model with half-precision weights: half the size, and what the plugin and the command line read.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Model file of a run.
    #[arg(long)]
    pub model: PathBuf,
    /// File to write.
    #[arg(long)]
    pub out: PathBuf,
}

/// Checks that the model plays, and writes it.
pub fn run(args: &Args) -> Result<()> {
    let mut checkpoint = Checkpoint::read(&args.model)?;
    if checkpoint.kind == Kind::Model {
        Playable::packed(&checkpoint)?;
    }
    forget_folders(&mut checkpoint.provenance);
    checkpoint.write(&args.out, Precision::F16)
}

/// Leaves only the names of files and folders: where they lay on the trainer's machine says nothing elsewhere.
fn forget_folders(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let (true, Some(name)) = (Path::new(text).is_absolute(), Path::new(text).file_name()) {
                *text = name.to_string_lossy().into_owned();
            }
        }
        Value::Array(values) => values.iter_mut().for_each(forget_folders),
        Value::Object(fields) => fields.values_mut().for_each(forget_folders),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shipped_names_no_folder_of_the_machine_that_trained_it() {
        let mut value = serde_json::json!({"run": {"data": "/home/me/aligned", "seed": 1}, "files": ["/a/b.sf2", "c.sf2"]});
        forget_folders(&mut value);
        assert_eq!(
            value,
            serde_json::json!({"run": {"data": "aligned", "seed": 1}, "files": ["b.sf2", "c.sf2"]})
        );
    }
}
