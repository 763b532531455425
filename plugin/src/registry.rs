//! The models in memory: one copy of the weights however many instances play them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Weak};

use engine::Result;
use engine::checkpoint::Checkpoint;
use parking_lot::Mutex;

use crate::factory;
use crate::plugin_model::PluginModel;

/// All models that any instance plays, by hash.
#[derive(Default)]
pub struct Registry {
    models: Mutex<HashMap<String, Weak<PluginModel>>>,
}

impl Registry {
    /// The shipped model.
    ///
    /// # Errors
    /// If the plugin was built with a file that is no model.
    pub fn shipped(&self) -> Result<Arc<PluginModel>> {
        let load =
            || self.keep(factory::MODEL_NAME.into(), Checkpoint::from_bytes(factory::MODEL)?);
        self.find(factory::model_sha256()).map_or_else(load, Ok)
    }

    /// The model in a file.
    ///
    /// # Errors
    /// If the file cannot be read or is no transfer model.
    pub fn open(&self, path: &Path) -> Result<Arc<PluginModel>> {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let checkpoint = Checkpoint::read(path)?;
        self.find(&checkpoint.sha256).map_or_else(|| self.keep(name, checkpoint), Ok)
    }

    fn find(&self, sha256: &str) -> Option<Arc<PluginModel>> {
        self.models.lock().get(sha256).and_then(Weak::upgrade)
    }

    fn keep(&self, name: String, checkpoint: Checkpoint) -> Result<Arc<PluginModel>> {
        let model = Arc::new(PluginModel::new(name, checkpoint)?);
        let mut models = self.models.lock();
        models.retain(|_, model| model.strong_count() > 0);
        models.insert(model.sha256().into(), Arc::downgrade(&model));
        Ok(model)
    }
}
