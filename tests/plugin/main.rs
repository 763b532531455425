//! The plugin in our own hosts: exact timing, output that equals the command line's, and
//! robustness.

mod allocation;
mod bounce;
mod fuzz;
mod hostile;
mod latency;
mod odd_audio;
mod python_hosts;
mod state;
