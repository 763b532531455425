//! What the worker runs: a window of content in, a segment of wet audio out.

use super::window_job::{WindowInput, WindowOutput};
use crate::Result;
use crate::cancel::Cancel;

/// Turns one window after another into wet audio. Holds whatever must go on from window to window.
///
/// Windows come in order. Each brings the samples that are new since the one before; what it needs
/// of older ones the processor has kept. Where [`WindowInput::first_sample`] is not the sample
/// after the last window's last one, the stream was interrupted (the worker was too far behind, or
/// the processor panicked and was reset), and processing starts afresh from there.
pub trait WindowProcessor: Send {
    /// Takes the window's samples in and writes its wet segment to `out.wet`, which holds silence
    /// of the right shape. Long work asks `cancel` between its stages.
    ///
    /// # Errors
    /// The window then plays dry. Its samples must have been taken in all the same.
    fn process(
        &mut self,
        window: &WindowInput,
        out: &mut WindowOutput,
        cancel: &Cancel,
    ) -> Result<()>;

    /// Takes the window's samples in without computing anything: its time is over. Must be fast.
    fn skip(&mut self, window: &WindowInput);

    /// Back to the state after construction: the next window is the first of a new stream.
    fn reset(&mut self);
}
