//! The state of a project without the parameters: the model choice, and all styles that are not
//! factory styles.
//!
//! The host stores it as JSON inside the plugin's state. The guard rejects states of newer versions
//! ([`crate::guard`]). Damaged styles are ignored.

use std::path::PathBuf;
use std::sync::Arc;

use engine::style::{SavedStyle, WrittenStyle};
use nice_plug::params::persist::PersistentField;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::factory;
use crate::file_part::FilePart;

/// The version of the state that this build writes, and the newest version that it reads.
pub const VERSION: u32 = 1;

/// The model that a project uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ModelChoice {
    /// The shipped model of this build.
    #[default]
    Shipped,
    /// A model file that the user opened.
    File {
        /// The displayed name.
        name: String,
        /// SHA-256 of the file in lower-case hex. It detects a replaced file.
        sha256: String,
        /// The location when the project was saved.
        path: PathBuf,
    },
}

/// The stored form of a model choice. It always contains the hash, so that every build can identify
/// the model.
#[derive(Serialize, Deserialize)]
struct WrittenModel {
    name: String,
    sha256: String,
    path: PathBuf,
}

/// The stored form of a project.
#[derive(Serialize, Deserialize)]
pub struct Written {
    version: u32,
    model: WrittenModel,
    #[serde(default)]
    captured: Option<WrittenStyle>,
    #[serde(default)]
    file: Option<WrittenStyle>,
    #[serde(default, rename = "held")]
    frozen: Option<WrittenStyle>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file_part: Option<FilePart>,
}

/// The styles that a project stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProjectStyle {
    /// The style that was captured from the sidechain.
    Captured,
    /// The style of a file that the user opened.
    File,
    /// The style of the sidechain that Freeze preserves.
    Frozen,
}

impl ProjectStyle {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Captured, Self::File, Self::Frozen];
}

#[derive(Clone, Default)]
struct Content {
    model: ModelChoice,
    /// Whether the project was saved with another shipped model.
    outdated: bool,
    /// Indexed by [`ProjectStyle`].
    styles: [Option<SavedStyle>; 3],
    /// The part of the recording that the File style was computed from.
    file_part: Option<Arc<FilePart>>,
}

/// Called after a host has loaded a state.
type ChangeCallback = Box<dyn Fn() + Send + Sync>;

/// The project state of one instance.
#[derive(Default)]
pub struct Project {
    content: Mutex<Content>,
    listener: Mutex<Option<ChangeCallback>>,
}

impl Project {
    /// The model that the project uses.
    pub fn model(&self) -> ModelChoice {
        self.content.lock().model.clone()
    }

    /// Sets the model.
    pub fn set_model(&self, model: ModelChoice) {
        let mut content = self.content.lock();
        (content.model, content.outdated) = (model, false);
    }

    /// Whether the project was saved with the shipped model of another version.
    pub fn outdated(&self) -> bool {
        self.content.lock().outdated
    }

    /// The style of a kind.
    pub fn style(&self, kind: ProjectStyle) -> Option<SavedStyle> {
        self.content.lock().styles[kind as usize].clone()
    }

    /// Whether the project has a style of this kind.
    pub fn has_style(&self, kind: ProjectStyle) -> bool {
        self.content.lock().styles[kind as usize].is_some()
    }

    /// Sets the File style. `part` is the part of its recording; `None` for a saved style.
    pub fn set_file_style(&self, style: SavedStyle, part: Option<FilePart>) {
        let mut content = self.content.lock();
        content.styles[ProjectStyle::File as usize] = Some(style);
        content.file_part = part.map(Arc::new);
    }

    /// The part of the recording that the File style was computed from.
    pub fn file_part(&self) -> Option<Arc<FilePart>> {
        self.content.lock().file_part.clone()
    }

    /// Sets or removes a style.
    pub fn set_style(&self, kind: ProjectStyle, style: Option<SavedStyle>) {
        self.content.lock().styles[kind as usize] = style;
    }

    /// Replaces `old` by `new`, unless another thread has set another style in the meantime.
    pub fn replace_style(&self, kind: ProjectStyle, old: &SavedStyle, new: SavedStyle) {
        let stored = &mut self.content.lock().styles[kind as usize];
        if stored.as_ref().is_some_and(|present| Arc::ptr_eq(&present.tokens, &old.tokens)) {
            *stored = Some(new);
        }
    }

    /// `listener` is called for every state that a host loads.
    pub(crate) fn set_listener(&self, listener: ChangeCallback) {
        *self.listener.lock() = Some(listener);
    }

    fn write(&self) -> Written {
        let Content { model, styles, file_part, .. } = self.content.lock().clone();
        let model = match model {
            ModelChoice::Shipped => WrittenModel {
                name: factory::MODEL_NAME.into(),
                sha256: factory::model_sha256().into(),
                path: PathBuf::new(),
            },
            ModelChoice::File { name, sha256, path } => WrittenModel { name, sha256, path },
        };
        let [captured, file, frozen] = styles.map(|style| style.as_ref().map(SavedStyle::write));
        let file_part = file_part.map(|part| FilePart::clone(&part));
        Written { version: VERSION, model, captured, file, frozen, file_part }
    }

    fn read(&self, written: Written) {
        let WrittenModel { name, sha256, path } = written.model;
        // Shipped models of all versions have an empty path.
        let current = sha256 == factory::model_sha256();
        let shipped = current || path.as_os_str().is_empty();
        let model =
            if shipped { ModelChoice::Shipped } else { ModelChoice::File { name, sha256, path } };
        let styles = [written.captured, written.file, written.frozen];
        let styles = styles.map(|style| style.and_then(SavedStyle::read));
        let file_part = written.file_part.and_then(FilePart::checked).map(Arc::new);
        *self.content.lock() = Content { model, outdated: shipped && !current, styles, file_part };
        if let Some(listener) = &*self.listener.lock() {
            listener();
        }
    }
}

/// The project as a field of the parameters. nice-plug does not reactivate the plugin after
/// loading a state. So the listener of [`Project`] reports the change.
pub struct ProjectField(pub Arc<Project>);

impl PersistentField<'_, Written> for ProjectField {
    fn set(&self, new_value: Written) {
        self.0.read(new_value);
    }

    fn map<F, R>(&self, f: F) -> R
    where
        F: Fn(&Written) -> R,
    {
        f(&self.0.write())
    }
}
