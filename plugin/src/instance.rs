//! One instance as its worker and the loader know it.

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use engine::audio_file::Reader;
use engine::style::{SavedStyle, file};

use crate::model_slot::{ModelSlot, ModelState};
use crate::plugin_model::PluginModel;
use crate::project::{Keep, ModelChoice, Project};
use crate::registry::Registry;
use crate::shared::{Severity, Shared};
use crate::shared_resources::SharedResources;

/// What a user must know whose project may sound different now.
const OUTDATED: &str =
    "This project was made with the model of another Luthier version. It plays this version's.";

/// What the threads of one instance share beside the stream.
#[derive(Default)]
pub struct Instance {
    /// For the editor.
    pub shared: Arc<Shared>,
    /// What the project keeps.
    pub project: Arc<Project>,
    /// The model.
    pub model: ModelSlot,
    /// Somebody wants the sidechain's style to be captured.
    pub capture: AtomicBool,
}

impl Instance {
    /// Loads the model that the project asks for. For the loader.
    pub fn settle_model(&self, registry: &Registry) {
        let chosen = match self.project.model() {
            ModelChoice::Shipped => registry.shipped().map_err(|error| error.to_string()),
            ModelChoice::File { name, sha256, path } => reopen(registry, &name, &sha256, &path),
        };
        match chosen {
            Ok(model) => {
                if self.project.outdated() {
                    self.shared.notify(Severity::Warning, OUTDATED);
                }
                self.play(model);
            }
            Err(reason) => {
                self.shared.words.lock().model.clear();
                self.shared.notify(Severity::Warning, format!("Playing dry: {reason}."));
                self.model.set(ModelState::Missing);
            }
        }
    }

    /// Loads a model file that the user chose; the present model plays on if it is none. For the
    /// loader.
    pub fn load_model(&self, registry: &Registry, path: &Path) {
        match registry.open(path) {
            Ok(model) => {
                self.project.set_model(ModelChoice::File {
                    name: model.name().into(),
                    sha256: model.sha256().into(),
                    path: path.to_path_buf(),
                });
                self.play(model);
            }
            Err(error) => self.shared.notify(Severity::Warning, format!("{error}.")),
        }
    }

    /// Reads the File style from a recording or a saved style that the user chose. For the loader.
    pub fn load_style(&self, registry: &Registry, path: &Path) {
        if matches!(self.model.get(), (_, ModelState::Loading)) {
            self.settle_model(registry);
        }
        let (_, ModelState::Ready(model)) = self.model.get() else {
            return self
                .shared
                .notify(Severity::Warning, "A style is read by a model, and there is none.");
        };
        match read_style(&model, path) {
            Ok(style) => {
                self.shared
                    .notify(Severity::Note, format!("The style is read from {}.", file_name(path)));
                self.shared.words.lock().style_file = style.name.clone();
                self.project.keep(Keep::File, Some(style));
                self.shared.status.files.fetch_add(1, Relaxed);
            }
            Err(reason) => self.shared.notify(Severity::Warning, format!("{reason}.")),
        }
    }

    /// Saves one of the project's styles as a file. For the loader.
    pub fn save_style(&self, keep: Keep, path: &Path) {
        let Some(style) = self.project.style(keep) else {
            return self.shared.notify(Severity::Warning, "There is no style to save yet.");
        };
        match file::write(&style, path) {
            Ok(()) => self
                .shared
                .notify(Severity::Note, format!("The style is saved as {}.", path.display())),
            Err(reason) => self.shared.notify(Severity::Warning, format!("{reason}.")),
        }
    }

    fn play(&self, model: Arc<PluginModel>) {
        self.read_styles_again(&model);
        self.shared.words.lock().model = model.name().into();
        self.tell_device(&model);
        self.model.set(ModelState::Ready(model));
    }

    /// Says what a model plays on; true if its GPU is in trouble, and was not before.
    pub fn tell_device(&self, model: &PluginModel) -> bool {
        let (mut words, trouble) = (self.shared.words.lock(), model.gpu().trouble());
        // Asked after every window: the device is another one only where the trouble is.
        if words.gpu_trouble == trouble && !words.device.is_empty() {
            return false;
        }
        words.device = SharedResources::device(model.gpu());
        words.gpu_trouble = trouble.into();
        !trouble.is_empty()
    }

    /// The project's styles as another model hears them.
    fn read_styles_again(&self, model: &PluginModel) {
        for keep in Keep::ALL {
            let old = self.project.style(keep);
            if keep == Keep::File {
                self.shared.words.lock().style_file =
                    old.as_ref().map_or_else(String::new, |old| old.name.clone());
            }
            let Some(old) = old else { continue };
            match model.reencode(&old) {
                Ok(new) => self.project.replace(keep, &old, new),
                Err(error) => {
                    let text =
                        format!("The style {} was made with another model: {error}.", old.name);
                    self.shared.notify(Severity::Warning, text);
                }
            }
        }
    }
}

fn read_style(model: &PluginModel, path: &Path) -> engine::Result<SavedStyle> {
    if file::is_style(path) {
        return model.reencode(&file::read(path)?);
    }
    let recording = engine::reference::read(Reader::open(path)?, &path.display().to_string())?;
    model.keep(file_name(path), path, &recording)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The project's own model, at the place where it was.
fn reopen(
    registry: &Registry,
    name: &str,
    sha256: &str,
    path: &Path,
) -> Result<Arc<PluginModel>, String> {
    match registry.open(path) {
        Ok(model) if model.sha256() == sha256 => Ok(model),
        Ok(_) => Err(format!(
            "{} is not the model `{name}` that this project was made with",
            path.display()
        )),
        Err(error) => Err(format!("the model `{name}` of this project cannot be opened ({error})")),
    }
}
