//! The data of one instance that its worker and the loader use.

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use engine::audio_file::Reader;
use engine::reference::{self, Reference};
use engine::style::{SavedStyle, file};

use crate::file_part::FilePart;
use crate::model_slot::{ModelSlot, ModelState};
use crate::plugin_model::PluginModel;
use crate::project::{ModelChoice, Project, ProjectStyle};
use crate::registry::Registry;
use crate::shared::{Severity, Shared};
use crate::shared_resources::SharedResources;

/// Warning for a project whose sound can have changed.
const OUTDATED: &str =
    "Another version of Luthier, with another model, saved this project. The sound can differ.";

/// The data that the threads of one instance share, in addition to the stream.
#[derive(Default)]
pub struct Instance {
    /// Data for the editor.
    pub shared: Arc<Shared>,
    /// The state of the project.
    pub project: Arc<Project>,
    /// The model.
    pub model: ModelSlot,
    /// Whether the editor requested a capture of the sidechain's style.
    pub capture: AtomicBool,
}

impl Instance {
    /// Loads the project's model. Only the loader calls it.
    pub fn load_project_model(&self, registry: &Registry) {
        let chosen = match self.project.model() {
            ModelChoice::Shipped => registry.shipped().map_err(|error| error.to_string()),
            ModelChoice::File { name, sha256, path } => reopen(registry, &name, &sha256, &path),
        };
        match chosen {
            Ok(model) => {
                if self.project.outdated() {
                    self.shared.notify(Severity::Warning, OUTDATED);
                }
                self.use_model(model);
            }
            Err(reason) => {
                self.shared.texts.lock().model.clear();
                self.shared.notify(
                    Severity::Warning,
                    format!("Dry output: {reason}. Choose another model."),
                );
                self.model.set(ModelState::Missing);
            }
        }
    }

    /// Loads a model file that the user chose. After an error, the previous model stays in use.
    /// Only the loader calls it.
    pub fn load_model(&self, registry: &Registry, path: &Path) {
        match registry.open(path) {
            Ok(model) => {
                self.project.set_model(ModelChoice::File {
                    name: model.name().into(),
                    sha256: model.sha256().into(),
                    path: path.to_path_buf(),
                });
                self.use_model(model);
            }
            Err(error) => {
                let text = format!("Cannot load the model: {error}. Choose another file.");
                self.shared.notify(Severity::Warning, text);
            }
        }
    }

    /// Computes or reads the File style from a file that the user chose. Only the loader calls it.
    pub fn load_style(&self, registry: &Registry, path: &Path) {
        self.use_style(registry, path, None);
    }

    /// Computes the File style from another part of its recording, from a time in seconds. Only the
    /// loader calls it.
    pub fn move_style(&self, registry: &Registry, start_seconds: f64) {
        if let Some(style) = self.project.style(ProjectStyle::File) {
            self.use_style(registry, &style.path, Some(start_seconds));
        }
    }

    fn use_style(&self, registry: &Registry, path: &Path, start_seconds: Option<f64>) {
        if matches!(self.model.get(), (_, ModelState::Loading)) {
            self.load_project_model(registry);
        }
        let (_, ModelState::Ready(model)) = self.model.get() else {
            let text = "A style requires a model. Choose a model first.";
            return self.shared.notify(Severity::Warning, text);
        };
        match read_style(&model, path, start_seconds) {
            Ok((style, reference)) => {
                let (severity, text) = loaded_message(path, reference.as_ref());
                self.shared.notify(severity, text);
                self.shared.texts.lock().style_file = style.name.clone();
                self.project.set_file_style(style, reference.as_ref().map(FilePart::new));
                self.shared.status.files.fetch_add(1, Relaxed);
            }
            Err(error) => {
                let text = format!("Cannot load the style: {error}. Choose another file.");
                self.shared.notify(Severity::Warning, text);
            }
        }
    }

    /// Saves a style of the project as a file. Only the loader calls it.
    pub fn save_style(&self, kind: ProjectStyle, path: &Path) {
        let Some(style) = self.project.style(kind) else {
            let text = "No style to save yet. Choose a recording or connect a sidechain first.";
            return self.shared.notify(Severity::Warning, text);
        };
        match file::write(&style, path) {
            Ok(()) => {
                let text = format!("Style saved as {}.", path.display());
                self.shared.notify(Severity::Note, text);
            }
            Err(error) => {
                let text = format!("Cannot save the style: {error}. Choose another folder.");
                self.shared.notify(Severity::Warning, text);
            }
        }
    }

    fn use_model(&self, model: Arc<PluginModel>) {
        self.recompute_styles(&model);
        self.shared.texts.lock().model = model.name().into();
        self.update_device(&model);
        self.model.set(ModelState::Ready(model));
    }

    /// Updates the displayed device. Returns whether the GPU has a new problem.
    pub fn update_device(&self, model: &PluginModel) -> bool {
        let (mut texts, problem) = (self.shared.texts.lock(), model.gpu().problem());
        // Called after every window, so return early: only a new problem changes the device.
        if texts.gpu_problem == problem && !texts.device.is_empty() {
            return false;
        }
        texts.device = SharedResources::device(model.gpu());
        texts.gpu_problem = problem.into();
        !problem.is_empty()
    }

    /// Computes the project's styles with a new model.
    fn recompute_styles(&self, model: &PluginModel) {
        for kind in ProjectStyle::ALL {
            let old = self.project.style(kind);
            if kind == ProjectStyle::File {
                self.shared.texts.lock().style_file =
                    old.as_ref().map_or_else(String::new, |old| old.name.clone());
            }
            let Some(old) = old else { continue };
            match model.reencode(&old) {
                Ok(new) => self.project.replace_style(kind, &old, new),
                // The error would print two mel configs, which do not help the user.
                Err(_) => {
                    let text = format!(
                        "Cannot use the style {} with this model. Open or capture it again.",
                        old.name
                    );
                    self.shared.notify(Severity::Warning, text);
                }
            }
        }
    }
}

/// A style, with its reference if the file is a recording.
fn read_style(
    model: &PluginModel,
    path: &Path,
    start_seconds: Option<f64>,
) -> engine::Result<(SavedStyle, Option<Reference>)> {
    if file::is_style(path) {
        return Ok((model.reencode(&file::read(path)?)?, None));
    }
    let (open, name) = (|| Reader::open(path), path.display().to_string());
    let reference = match start_seconds {
        Some(seconds) => reference::read_from(open, &name, seconds)?,
        None => reference::read(open, &name)?,
    };
    Ok((model.saved_style(file_name(path), path, &reference)?, Some(reference)))
}

/// The message for a style that was loaded: from which part, and what is wrong with the file.
fn loaded_message(path: &Path, reference: Option<&Reference>) -> (Severity, String) {
    let part = reference.filter(|reference| !reference.is_beginning);
    let part = part.map_or_else(String::new, |part| part.ranges_text() + " of ");
    let text = format!("Style loaded from {part}{}.", file_name(path));
    let warnings = reference.map_or(&[][..], |reference| &reference.warnings);
    let [first, others @ ..] = warnings else { return (Severity::Note, text) };
    // A warning starts with the whole path, which the message has no space for.
    let prefix = format!("{}: ", path.display());
    let first = first.strip_prefix(&prefix).unwrap_or(first);
    let more = match others.len() {
        0 => String::new(),
        count => format!(" ({count} more)"),
    };
    (Severity::Warning, format!("{text} Warning: {first}{more}."))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Opens the model file of a project and compares its hash.
///
/// # Errors
/// If the file cannot be read, is not a model, or has another hash.
fn reopen(
    registry: &Registry,
    name: &str,
    sha256: &str,
    path: &Path,
) -> Result<Arc<PluginModel>, String> {
    match registry.open(path) {
        Ok(model) if model.sha256() == sha256 => Ok(model),
        Ok(_) => Err(format!("{} no longer contains the project's model `{name}`", path.display())),
        Err(error) => Err(format!("cannot open the project's model `{name}` ({error})")),
    }
}
