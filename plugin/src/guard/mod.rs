//! The plugin's own entry points for VST3 and CLAP, in front of nice-plug.
//!
//! nice-plug 0.4.2 crashes on null channel pointers, missing buses, blocks larger than announced,
//! indices out of range and invalid states. Real hosts send all of these. Every call passes through
//! the guard first. nice-plug then receives all channels, blocks of at most 8192 samples, and only
//! states that the plugin wrote; see `docs/decisions/015-guard-before-nice-plug.md`. All unsafe
//! code of the plugin is in this folder, except the OpenGL context of the editor.

mod channels;
mod clap;
mod clap_entry;
mod clap_events;
mod clap_state;
mod edits;
pub(crate) mod host_link;
pub mod own_folder;
mod state;
mod transport;
mod vst3;
mod vst3_entry;
mod vst3_forward;
mod vst3_state;

pub use clap_entry::clap_entry;
pub use vst3_entry::GetPluginFactory;

/// Largest block that nice-plug receives, in samples. Larger blocks are cut into pieces.
const MAX_BLOCK_SAMPLES: u32 = 8192;
/// Most channels of a bus.
const MAX_CHANNELS: usize = 2;
