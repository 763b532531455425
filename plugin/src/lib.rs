//! Luthier as a VST3 and CLAP effect: host to engine. Decides nothing about sound.
//!
//! ```text
//! host -> guard (accepts what a host may hand over) -> nice-plug -> Luthier (effect)
//!           audio thread: engine::stream's half, gains, bypass        -> Shared (meters, counters)
//!           worker:       PluginProcessor { engine::pipeline }              -> Shared (pictures, messages)
//!           loader:       model and style files, for all instances    -> ModelSlot, Project
//!           editor:       reads Shared, sets LuthierParams, asks by Request
//! ```
//!
//! [`params::LuthierParams`] is what a host automates and a project keeps; [`shared::Shared`] is
//! what the editor sees.

mod active_stream;
pub mod editor;
mod effect;
mod factory;
mod gpu;
pub mod guard;
mod instance;
mod loader;
mod model_slot;
pub mod params;
mod plugin_model;
mod plugin_processor;
pub mod project;
mod registry;
mod render_start;
mod restart;
pub mod shared;
mod shared_resources;
pub mod style_slot;
mod styles;

pub use effect::Luthier;
