//! Luthier as a VST3 and CLAP effect: host to engine. Decides nothing about sound.
//!
//! ```text
//! host -> guard (accepts what a host may hand over) -> nice-plug -> Luthier (effect)
//!           audio thread: engine::stream's half, gains, bypass        -> Shared (meters, counters)
//!           worker:       Performer { engine::pipeline }              -> Shared (pictures, messages)
//!           loader:       model and style files, for all instances    -> ModelSlot, Project
//!           editor:       reads Shared, sets LuthierParams, asks by Request
//! ```
//!
//! [`params::LuthierParams`] is what a host automates and a project keeps; [`shared::Shared`] is
//! what the editor sees.

pub mod editor;
mod effect;
mod factory;
mod gpu;
pub mod guard;
mod instance;
mod loader;
mod model_slot;
pub mod params;
mod performer;
mod playing;
pub mod project;
mod ramp;
mod registry;
mod render_start;
mod restart;
pub mod shared;
pub mod style_slot;
mod styles;
mod workshop;

pub use effect::Luthier;
