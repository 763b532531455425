//! The plugin in hosts of our own: exact in time, equal to the command line to the bit, and safe
//! from its hosts.

mod allocation;
mod bounce;
mod fuzz;
mod hostile;
mod latency;
mod odd_audio;
mod python_hosts;
mod state;
