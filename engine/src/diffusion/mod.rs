//! The diffusion process: schedule, forward noising, DDIM. Knows no networks: a closure denoises.

pub mod ddim;
pub mod forward;
pub mod noise;
pub mod schedule;
