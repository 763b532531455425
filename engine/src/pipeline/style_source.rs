//! Where a window's style comes from.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::Result;
use crate::stream::WindowInput;
use crate::style::StyleTokens;

/// Supplies the style of every window. Runs on the worker.
///
/// `M` is the model of the pipeline. A source that needs more of it than its networks (which file
/// it is, for example) names the type.
pub trait StyleSource<M>: Send {
    /// Takes in what a window brings beside its content. Comes once for every window, in order,
    /// before [`Self::style`], and for windows that are skipped too. `model` is there where there
    /// is one and time for it.
    fn listen(&mut self, window: &WindowInput, model: Option<&mut M>);

    /// The style of the window that was listened to last; `None` while there is nothing to imitate,
    /// and the window plays dry. `model` computes tokens where they are not at hand.
    ///
    /// # Errors
    /// The window then fails and plays dry.
    fn style(&mut self, window: &WindowInput, model: &mut M) -> Result<Option<Arc<StyleTokens>>>;

    /// Another model plays from now on: tokens of the one before mean nothing to it.
    fn model_changed(&mut self) {}

    /// Back to the state after construction: the next window is the first of a new stream.
    fn reset(&mut self);
}

/// One style for all windows, exchangeable while they play. Locks: not for the audio thread.
#[derive(Clone, Debug)]
pub struct SharedStyle(Arc<Mutex<Arc<StyleTokens>>>);

impl SharedStyle {
    /// Windows that begin from now on sound like `style`.
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
    fn listen(&mut self, _: &WindowInput, _: Option<&mut M>) {}

    fn style(&mut self, _: &WindowInput, _: &mut M) -> Result<Option<Arc<StyleTokens>>> {
        Ok(Some(self.get()))
    }

    fn reset(&mut self) {}
}
