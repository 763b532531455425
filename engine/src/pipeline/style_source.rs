//! Sources of the style of a window.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::Result;
use crate::stream::WindowInput;
use crate::style::StyleTokens;

/// Supplies the style of every window. Runs on the worker.
///
/// `M` is the pipeline's model. A source that needs more than the networks (the file's identity,
/// for example) names the type.
pub trait StyleSource<M>: Send {
    /// Receives a window's sidechain. Called once for every window, in order, before
    /// [`Self::style`], and for skipped windows too. `model` is `None` without a model or for a
    /// skipped window.
    fn receive_sidechain(&mut self, window: &WindowInput, model: Option<&mut M>);

    /// The style of the window last passed to [`Self::receive_sidechain`]. `None` without a style: the
    /// window's output is then dry. `model` computes tokens that are not cached.
    ///
    /// # Errors
    /// If the style cannot be computed. The window then fails, and its output is dry.
    fn style(&mut self, window: &WindowInput, model: &mut M) -> Result<Option<Arc<StyleTokens>>>;

    /// Called when the pipeline has a new model. Tokens of the previous model are invalid.
    fn model_changed(&mut self) {}

    /// Returns to the state after construction: the next window is the first of a new stream.
    fn reset(&mut self);
}

/// One style for all windows, replaceable while the stream runs. Locks: not for the audio thread.
#[derive(Clone, Debug)]
pub struct SharedStyle(Arc<Mutex<Arc<StyleTokens>>>);

impl SharedStyle {
    /// Uses `style` from the next window on.
    pub fn set(&self, style: StyleTokens) {
        *self.0.lock() = Arc::new(style);
    }

    /// The current style.
    pub fn get(&self) -> Arc<StyleTokens> {
        Arc::clone(&self.0.lock())
    }
}

impl From<StyleTokens> for SharedStyle {
    fn from(style: StyleTokens) -> Self {
        Self(Arc::new(Mutex::new(Arc::new(style))))
    }
}

impl<M> StyleSource<M> for SharedStyle {
    fn receive_sidechain(&mut self, _: &WindowInput, _: Option<&mut M>) {}

    fn style(&mut self, _: &WindowInput, _: &mut M) -> Result<Option<Arc<StyleTokens>>> {
        Ok(Some(self.get()))
    }

    fn reset(&mut self) {}
}
