//! What a project keeps beside the parameters: which model, and the styles that are not in the
//! factory.
//!
//! The host keeps it as JSON inside of the plugin's state. A state of a newer version is refused
//! before it comes here ([`crate::guard`]); what is damaged in one of ours is left out.

use std::path::PathBuf;
use std::sync::Arc;

use engine::style::{SavedStyle, WrittenStyle};
use nice_plug::params::persist::PersistentField;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::factory;

/// The version of the state that this build writes, and the newest that it reads.
pub const VERSION: u32 = 1;

/// Which model plays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ModelChoice {
    /// The one that is shipped with this build.
    #[default]
    Shipped,
    /// A file of the user's.
    File {
        /// What the editor calls it.
        name: String,
        /// SHA-256 of the file in lower-case hex; another file at its place is not the same model.
        sha256: String,
        /// Where it was.
        path: PathBuf,
    },
}

/// How a model choice is written: always by hash, so that a project knows its model in every build.
#[derive(Serialize, Deserialize)]
struct WrittenModel {
    name: String,
    sha256: String,
    path: PathBuf,
}

/// A project's content as it is written.
#[derive(Serialize, Deserialize)]
pub struct Written {
    version: u32,
    model: WrittenModel,
    #[serde(default)]
    captured: Option<WrittenStyle>,
    #[serde(default)]
    file: Option<WrittenStyle>,
    #[serde(default)]
    held: Option<WrittenStyle>,
}

/// A style that is not in the factory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// What was captured from the sidechain.
    Captured,
    /// A recording of the user's.
    File,
    /// What Freeze holds of the sidechain's style.
    Held,
}

impl Keep {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Captured, Self::File, Self::Held];
}

#[derive(Clone, Default)]
struct Content {
    model: ModelChoice,
    /// The shipped model was another one when the project was saved.
    outdated: bool,
    /// By [`Keep`].
    styles: [Option<SavedStyle>; 3],
}

/// Called when a host has loaded a state.
type ChangeCallback = Box<dyn Fn() + Send + Sync>;

/// One instance's part of the project.
#[derive(Default)]
pub struct Project {
    content: Mutex<Content>,
    listener: Mutex<Option<ChangeCallback>>,
}

impl Project {
    /// Which model plays.
    pub fn model(&self) -> ModelChoice {
        self.content.lock().model.clone()
    }

    /// Chooses another model.
    pub fn set_model(&self, model: ModelChoice) {
        let mut content = self.content.lock();
        (content.model, content.outdated) = (model, false);
    }

    /// Whether the project was made with the shipped model of another version.
    pub fn outdated(&self) -> bool {
        self.content.lock().outdated
    }

    /// One of its styles.
    pub fn style(&self, keep: Keep) -> Option<SavedStyle> {
        self.content.lock().styles[keep as usize].clone()
    }

    /// Whether there is such a style.
    pub fn has(&self, keep: Keep) -> bool {
        self.content.lock().styles[keep as usize].is_some()
    }

    /// Keeps a style, or lets go of it.
    pub fn keep(&self, keep: Keep, style: Option<SavedStyle>) {
        self.content.lock().styles[keep as usize] = style;
    }

    /// Keeps `new` in the place of `old`, unless somebody has put another there meanwhile.
    pub fn replace(&self, keep: Keep, old: &SavedStyle, new: SavedStyle) {
        let place = &mut self.content.lock().styles[keep as usize];
        if place.as_ref().is_some_and(|present| Arc::ptr_eq(&present.tokens, &old.tokens)) {
            *place = Some(new);
        }
    }

    /// `listener` hears of every state that a host loads.
    pub(crate) fn set_listener(&self, listener: ChangeCallback) {
        *self.listener.lock() = Some(listener);
    }

    fn write(&self) -> Written {
        let Content { model, styles, .. } = self.content.lock().clone();
        let model = match model {
            ModelChoice::Shipped => WrittenModel {
                name: factory::MODEL_NAME.into(),
                sha256: factory::model_sha256().into(),
                path: PathBuf::new(),
            },
            ModelChoice::File { name, sha256, path } => WrittenModel { name, sha256, path },
        };
        let [captured, file, held] = styles.map(|style| style.as_ref().map(SavedStyle::write));
        Written { version: VERSION, model, captured, file, held }
    }

    fn read(&self, written: Written) {
        let WrittenModel { name, sha256, path } = written.model;
        // The shipped model has no path, whichever version it was.
        let ours = sha256 == factory::model_sha256();
        let shipped = ours || path.as_os_str().is_empty();
        let model =
            if shipped { ModelChoice::Shipped } else { ModelChoice::File { name, sha256, path } };
        let styles = [written.captured, written.file, written.held];
        let styles = styles.map(|style| style.and_then(SavedStyle::read));
        *self.content.lock() = Content { model, outdated: shipped && !ours, styles };
        if let Some(listener) = &*self.listener.lock() {
            listener();
        }
    }
}

/// The project among the parameters. nice-plug does not activate again after a state was loaded:
/// whoever depends on it listens.
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
