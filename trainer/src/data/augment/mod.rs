//! Augmentation: recording chains on audio, and recordings simulated on mel images.
//!
//! [`chain`] processes rendered audio with [`biquad`] filters, a [`room`], noise and gain.
//! [`recolour`] and [`timbre`] change mel images during training.

pub mod biquad;
pub mod chain;
pub mod recolour;
pub mod room;
pub mod timbre;
