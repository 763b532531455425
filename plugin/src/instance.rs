//! One instance as its worker and the loader know it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use engine::audio_file::Reader;

use crate::kept_style::KeptStyle;
use crate::model_slot::{ModelSlot, ModelState};
use crate::project::{ModelChoice, Project};
use crate::registry::{LoadedModel, Registry};
use crate::shared::{Gravity, Shared};

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
            Ok(model) => self.play(model),
            Err(reason) => {
                self.shared.words.lock().model.clear();
                self.shared.say(Gravity::Warning, format!("Playing dry: {reason}."));
                self.model.set(ModelState::Missing);
            }
        }
    }

    /// Loads a model file that the user chose; the present model plays on if it is none. For the loader.
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
            Err(error) => self.shared.say(Gravity::Warning, format!("{error}.")),
        }
    }

    /// Reads the File style from a recording that the user chose. For the loader.
    pub fn load_style(&self, registry: &Registry, path: &Path) {
        if matches!(self.model.get(), (_, ModelState::Loading)) {
            self.settle_model(registry);
        }
        let (_, ModelState::Ready(model)) = self.model.get() else { return };
        match read_style(&model, path) {
            Ok(style) => {
                self.shared.say(Gravity::Note, format!("The style is read from {}.", style.name));
                self.shared.words.lock().style_file = style.name.clone();
                self.project.set_file(style);
                self.shared.status.files.fetch_add(1, Relaxed);
            }
            Err(error) => self.shared.say(Gravity::Warning, format!("{error}.")),
        }
    }

    fn play(&self, model: Arc<LoadedModel>) {
        self.read_file_again(&model);
        self.shared.words.lock().model = model.name().into();
        self.model.set(ModelState::Ready(model));
    }

    /// The File style as another model hears it, where its recording is still there.
    fn read_file_again(&self, model: &LoadedModel) {
        let Some(style) = self.project.file() else { return };
        self.shared.words.lock().style_file = style.name.clone();
        if style.tokens.model == model.sha256() {
            return;
        }
        match read_style(model, &style.path) {
            Ok(style) => self.project.set_file(style),
            Err(error) => {
                let text = format!("The style of {} was made with another model, and {error}.", style.name);
                self.shared.say(Gravity::Warning, text);
            }
        }
    }
}

fn read_style(model: &LoadedModel, path: &Path) -> engine::Result<KeptStyle> {
    let recording = engine::reference::read(Reader::open(path)?, &path.display().to_string())?;
    let tokens = Arc::new(model.style(&recording)?);
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(KeptStyle { name, path: path.to_path_buf(), tokens })
}

/// The project's own model, at the place where it was.
fn reopen(registry: &Registry, name: &str, sha256: &str, path: &Path) -> Result<Arc<LoadedModel>, String> {
    match registry.open(path) {
        Ok(model) if model.sha256() == sha256 => Ok(model),
        Ok(_) => Err(format!("{} is not the model `{name}` that this project was made with", path.display())),
        Err(error) => Err(format!("the model `{name}` of this project cannot be opened ({error})")),
    }
}
