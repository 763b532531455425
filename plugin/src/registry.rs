//! The models in memory. All instances that use a model share one copy of its weights.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Weak};

use engine::Result;
use engine::checkpoint::Checkpoint;
use parking_lot::Mutex;

use crate::factory;
use crate::plugin_model::PluginModel;

/// The models of all instances, by SHA-256.
#[derive(Default)]
pub struct Registry {
    models: Mutex<HashMap<String, Weak<PluginModel>>>,
}

impl Registry {
    /// The shipped model.
    ///
    /// # Errors
    /// If the built-in file is not a valid model.
    pub fn shipped(&self) -> Result<Arc<PluginModel>> {
        let load =
            || self.insert(factory::MODEL_NAME.into(), Checkpoint::from_bytes(factory::MODEL)?);
        self.find(factory::model_sha256()).map_or_else(load, Ok)
    }

    /// Loads the model in a file, or returns the copy in memory.
    ///
    /// # Errors
    /// If the file cannot be read or is not a transfer model.
    pub fn open(&self, path: &Path) -> Result<Arc<PluginModel>> {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let checkpoint = Checkpoint::read(path)?;
        self.find(&checkpoint.sha256).map_or_else(|| self.insert(name, checkpoint), Ok)
    }

    fn find(&self, sha256: &str) -> Option<Arc<PluginModel>> {
        self.models.lock().get(sha256).and_then(Weak::upgrade)
    }

    fn insert(&self, name: String, checkpoint: Checkpoint) -> Result<Arc<PluginModel>> {
        let model = Arc::new(PluginModel::new(name, checkpoint)?);
        let mut models = self.models.lock();
        models.retain(|_, model| model.strong_count() > 0);
        models.insert(model.sha256().into(), Arc::downgrade(&model));
        Ok(model)
    }
}
