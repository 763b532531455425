//! From magnitudes to audio.
//!
//! [`guided`] plays the content's own STFT under the gain that leads from the content's mel image
//! to the target's, so that partials and phases come from the content and only the timbre from the
//! model. [`griffin_lim`] makes audio from a mel image alone: the baseline, and what `generate`
//! uses.

pub mod gain;
pub mod griffin_lim;
pub mod guided;
pub mod mel_inverse;
