//! The interface of a window processor: a window of content in, a segment of wet audio out.

use super::window_job::{WindowInput, WindowOutput};
use crate::Result;
use crate::cancel::Cancel;

/// Turns windows into wet audio, in order. Keeps the state between windows.
///
/// Each window contains the samples after the previous window. The processor keeps older samples
/// that it needs. An interruption is visible in [`WindowInput::first_sample`]: it does not follow
/// the last sample. The worker was too slow, or the processor panicked and was reset. Processing
/// then restarts at that sample.
pub trait WindowProcessor: Send {
    /// Processes the window's samples and writes its wet segment to `out.wet`. That buffer contains
    /// silence of the right shape. Long work checks `cancel` between its stages.
    ///
    /// # Errors
    /// The window's output is then dry. The processor must have received the samples nevertheless.
    fn process(
        &mut self,
        window: &WindowInput,
        out: &mut WindowOutput,
        cancel: &Cancel,
    ) -> Result<()>;

    /// Receives the samples of a late window without computing its output. Must be fast.
    fn skip(&mut self, window: &WindowInput);

    /// Returns to the state after construction: the next window is the first of a new stream.
    fn reset(&mut self);
}
