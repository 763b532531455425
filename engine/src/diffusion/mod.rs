//! The diffusion process: noise schedule, forward process, DDIM sampler and guidance. It contains
//! no networks; the sampler calls a closure that predicts.

pub mod ddim;
pub mod forward;
pub mod guidance;
pub mod noise;
pub mod prefix;
pub mod schedule;
