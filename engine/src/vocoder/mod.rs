//! From magnitudes to audio.
//!
//! [`guided`] applies a gain to the content's own STFT: the ratio of the target's to the content's
//! mel image. Partials and phases are the content's, the timbre is the model's; see
//! `docs/decisions/001-content-guided-vocoder.md`. [`griffin_lim`] synthesises audio from a mel
//! image alone. It is the baseline and the vocoder of [`crate::generate`].

pub mod dynamics;
pub mod gain;
pub mod griffin_lim;
pub mod guided;
pub mod mel_inverse;
pub mod range;
