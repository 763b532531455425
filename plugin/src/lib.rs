//! Luthier as a VST3 and CLAP effect. It connects the host to the engine, which computes the sound.
//!
//! ```text
//! host -> guard (checks every host call) -> nice-plug -> Luthier (effect)
//!     audio thread: engine::stream::AudioThread         -> Shared (meters, counters)
//!     worker:       PluginProcessor (engine::pipeline)  -> Shared (pictures, messages)
//!     loader:       model and style files               -> ModelSlot, Project
//!     editor:       reads Shared, sets LuthierParams, sends Request
//! ```
//!
//! [`params::LuthierParams`] contains the parameters of the host and the state of the project.
//! [`shared::Shared`] contains the data that the editor displays.

mod active_stream;
pub mod editor;
mod effect;
mod factory;
mod file_part;
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
