//! The diffusion process: schedule, forward noising, DDIM, guidance. Knows no networks: a closure
//! denoises.

pub mod ddim;
pub mod forward;
pub mod guidance;
pub mod noise;
pub mod prefix;
pub mod schedule;
