//! What stands between a host and nice-plug: our own entry points for VST3 and CLAP.
//!
//! nice-plug 0.4.2 trusts hosts: null channel pointers, fewer buses or larger blocks than
//! announced, indices out of range and states of any size take the process down, in ways that real
//! hosts do. Every call passes through here first, and what comes through is what nice-plug
//! expects: all channels there, blocks of at most 8192 samples, a state that we wrote. All unsafe
//! code of the plugin is in this folder.

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

/// Larger blocks, and those that are larger than announced, are processed in pieces of at most so
/// many samples.
const MAX_BLOCK_SAMPLES: u32 = 8192;
/// The most channels of a bus.
const MAX_CHANNELS: usize = 2;
