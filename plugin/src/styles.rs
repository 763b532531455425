//! Selects the style of each window by the Style parameter. It runs on the worker.

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use engine::pipeline::{RollingStyle, StyleSource};
use engine::stream::WindowInput;
use engine::style::{ReferenceMels, SavedStyle, StyleTokens};
use engine::{Error, Result};

use crate::instance::Instance;
use crate::plugin_model::{PluginModel, StreamModel};
use crate::project::ProjectStyle;
use crate::shared::Severity;
use crate::style_slot::{self, StyleSlot};

/// The style of a window. Without one, the window plays dry.
type Selection = Result<Option<Arc<StyleTokens>>>;

/// The factory styles, the project's styles and the style of the sidechain.
pub struct Styles {
    instance: Arc<Instance>,
    rolling: RollingStyle,
}

impl Styles {
    /// Creates the styles of one stream.
    pub fn new(instance: Arc<Instance>, rolling: RollingStyle) -> Self {
        Self { instance, rolling }
    }

    fn select(&mut self, window: &WindowInput, model: &mut StreamModel) -> Selection {
        let project = &self.instance.project;
        match StyleSlot::from_index(i32::from(window.settings.style_slot)) {
            StyleSlot::Factory(index) => {
                let tokens = model.model().factory_style(index);
                tokens.map(Some).map_err(|error| Error::Compute(error.to_string()))
            }
            StyleSlot::Sidechain => self.sidechain(window.settings.style_held, model),
            StyleSlot::Captured => Ok(self.project_style(
                project.style(ProjectStyle::Captured),
                model.model(),
                "no captured style yet. Capture the sidechain first",
            )),
            StyleSlot::File => Ok(self.project_style(
                project.style(ProjectStyle::File),
                model.model(),
                "no style file yet. Open a recording or a saved style first",
            )),
            StyleSlot::Reserved => {
                let text =
                    "Dry output: this style is reserved for a later version. Choose another style.";
                self.instance.shared.notify(Severity::Warning, text);
                Ok(None)
            }
        }
    }

    /// A style of the project, if this model computed it. Otherwise the user is notified. `missing`
    /// is the message for a style that does not exist.
    fn project_style(
        &self,
        style: Option<SavedStyle>,
        model: &PluginModel,
        missing: &str,
    ) -> Option<Arc<StyleTokens>> {
        let reason = match style {
            Some(style) if model.computed(&style.tokens) => return Some(style.tokens),
            Some(style) => format!(
                "the style {} was computed by another model. Open or capture it again",
                style.name
            ),
            None => missing.into(),
        };
        self.instance.shared.notify(Severity::Warning, format!("Dry output: {reason}."));
        None
    }

    /// The style of the sidechain. With `freeze`, the style at the time when Freeze was switched
    /// on.
    fn sidechain(&mut self, freeze: bool, model: &mut StreamModel) -> Selection {
        let project = Arc::clone(&self.instance.project);
        let frozen = project
            .style(ProjectStyle::Frozen)
            .filter(|frozen| freeze && model.model().computed(&frozen.tokens));
        if let Some(frozen) = frozen {
            return Ok(Some(frozen.tokens));
        }
        let style = self.current_sidechain(model)?;
        match &style {
            Some(_) if freeze => project.set_style(ProjectStyle::Frozen, style.clone()),
            Some(_) => {}
            None => self.instance.shared.notify(
                Severity::Warning,
                "Dry output: the sidechain needs 3 s of sound. Route a track to it and start \
                 playback.",
            ),
        }
        Ok(style.map(|style| style.tokens))
    }

    /// Computes the current style of the sidechain, if it has had enough sound.
    fn current_sidechain(&mut self, model: &mut StreamModel) -> Result<Option<SavedStyle>> {
        let tokens = self.rolling.tokens(model)?;
        Ok(tokens.map(|tokens| SavedStyle {
            name: "Sidechain".into(),
            path: PathBuf::new(),
            tokens,
            mels: Arc::new(ReferenceMels::from_images(
                &model.model().config().mel,
                self.rolling.images(),
            )),
        }))
    }

    fn capture(&mut self, model: &mut StreamModel) {
        let shared = Arc::clone(&self.instance.shared);
        match self.current_sidechain(model) {
            Ok(style @ Some(_)) => {
                self.instance.project.set_style(ProjectStyle::Captured, style);
                shared.status.captures.fetch_add(1, Relaxed);
                let text = "Style captured from the sidechain and stored in the project.";
                shared.notify(Severity::Note, text);
            }
            Ok(None) => shared.notify(
                Severity::Warning,
                "No style captured: the sidechain needs 3 s of sound. Play the routed track, then \
                 capture again.",
            ),
            Err(error) => {
                shared.notify(Severity::Warning, format!("No style captured: {error}. Try again."))
            }
        }
    }
}

impl StyleSource<StreamModel> for Styles {
    fn receive_sidechain(&mut self, window: &WindowInput, model: Option<&mut StreamModel>) {
        self.rolling.push(&window.sidechain);
        self.instance.shared.status.sidechain_seconds.set(self.rolling.seconds());
        // In every window, whichever style it uses. So the next Freeze preserves a new style.
        if !window.settings.style_held
            && self.instance.project.style(ProjectStyle::Frozen).is_some()
        {
            self.instance.project.set_style(ProjectStyle::Frozen, None);
        }
        if let Some(model) = model
            && self.instance.capture.swap(false, Relaxed)
        {
            self.capture(model);
        }
    }

    fn style(&mut self, window: &WindowInput, model: &mut StreamModel) -> Selection {
        let tokens = self.select(window, model)?;
        let mut texts = self.instance.shared.texts.lock();
        texts.style.clear();
        if tokens.is_some() {
            texts.style = style_slot::name(i32::from(window.settings.style_slot));
        }
        Ok(tokens)
    }

    fn model_changed(&mut self) {
        self.rolling.model_changed();
    }

    fn reset(&mut self) {
        self.rolling.reset();
    }
}
