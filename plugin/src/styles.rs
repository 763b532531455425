//! The style that the Style parameter asks for, window by window. Runs on the worker.

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
use crate::project::Keep;
use crate::shared::Severity;
use crate::style_slot::{self, StyleSlot};

/// The answer to "which style": none plays dry.
type Answer = Result<Option<Arc<StyleTokens>>>;

/// Chooses among the factory's, the project's and the sidechain's styles.
pub struct Styles {
    instance: Arc<Instance>,
    rolling: RollingStyle,
}

impl Styles {
    /// The styles of one stream.
    pub fn new(instance: Arc<Instance>, rolling: RollingStyle) -> Self {
        Self { instance, rolling }
    }

    fn choose(&mut self, window: &WindowInput, model: &mut StreamModel) -> Answer {
        let project = &self.instance.project;
        match StyleSlot::from_index(i32::from(window.settings.style_slot)) {
            StyleSlot::Factory(index) => {
                let tokens = model.model().factory_style(index);
                tokens.map(Some).map_err(|error| Error::Compute(error.to_string()))
            }
            StyleSlot::Sidechain => self.sidechain(window.settings.style_held, model),
            StyleSlot::Captured => Ok(self.kept(
                project.style(Keep::Captured),
                model.model(),
                "nothing has been captured yet",
            )),
            StyleSlot::File => Ok(self.kept(
                project.style(Keep::File),
                model.model(),
                "no recording has been opened as a style yet",
            )),
            StyleSlot::Reserved => {
                self.instance
                    .shared
                    .notify(Severity::Warning, "Playing dry: this place has no style yet.");
                Ok(None)
            }
        }
    }

    /// A style of the project's, if there is one that this model understands.
    fn kept(
        &self,
        style: Option<SavedStyle>,
        model: &PluginModel,
        missing: &str,
    ) -> Option<Arc<StyleTokens>> {
        let reason = match style {
            Some(style) if model.made(&style.tokens) => return Some(style.tokens),
            Some(style) => format!("the style {} was made with another model", style.name),
            None => missing.into(),
        };
        self.instance.shared.notify(Severity::Warning, format!("Playing dry: {reason}."));
        None
    }

    /// What the sidechain plays; with `hold`, what it played when that began.
    fn sidechain(&mut self, hold: bool, model: &mut StreamModel) -> Answer {
        let project = Arc::clone(&self.instance.project);
        let held =
            project.style(Keep::Held).filter(|held| hold && model.model().made(&held.tokens));
        if let Some(held) = held {
            return Ok(Some(held.tokens));
        }
        let style = self.heard(model)?;
        match &style {
            Some(_) if hold => project.keep(Keep::Held, style.clone()),
            Some(_) => {}
            None => self.instance.shared.notify(
                Severity::Warning,
                "Playing dry: the sidechain has not been heard for long enough yet.",
            ),
        }
        Ok(style.map(|style| style.tokens))
    }

    /// The sidechain's present style.
    fn heard(&mut self, model: &mut StreamModel) -> Result<Option<SavedStyle>> {
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
        match self.heard(model) {
            Ok(style @ Some(_)) => {
                self.instance.project.keep(Keep::Captured, style);
                shared.status.captures.fetch_add(1, Relaxed);
                shared.notify(
                    Severity::Note,
                    "The sidechain's style is captured and kept in the project.",
                );
            }
            Ok(None) => shared.notify(
                Severity::Warning,
                "Nothing captured: the sidechain has not been heard for long enough yet.",
            ),
            Err(error) => shared.notify(Severity::Warning, format!("Nothing captured: {error}.")),
        }
    }
}

impl StyleSource<StreamModel> for Styles {
    fn listen(&mut self, window: &WindowInput, model: Option<&mut StreamModel>) {
        self.rolling.push(&window.sidechain);
        self.instance.shared.status.sidechain_seconds.set(self.rolling.seconds());
        // In every window, one that asks for no style too: what Freeze holds next is what is heard
        // then.
        if !window.settings.style_held && self.instance.project.style(Keep::Held).is_some() {
            self.instance.project.keep(Keep::Held, None);
        }
        if let Some(model) = model
            && self.instance.capture.swap(false, Relaxed)
        {
            self.capture(model);
        }
    }

    fn style(&mut self, window: &WindowInput, model: &mut StreamModel) -> Answer {
        let tokens = self.choose(window, model)?;
        let mut words = self.instance.shared.words.lock();
        words.style.clear();
        if tokens.is_some() {
            words.style = style_slot::name(i32::from(window.settings.style_slot));
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
