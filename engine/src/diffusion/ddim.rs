//! Deterministic DDIM sampling (Song, Meng and Ermon 2021; report 2, equations 5 and 6).
//!
//! Notation, after Salimans and Ho 2022: `x_t = alpha_t x_0 + sigma_t epsilon`, with `alpha_t =
//! sqrt(alpha_bar_t)` and `sigma_t = sqrt(1 - alpha_bar_t)`.
//!
//! ```
//! use engine::config::{DiffusionConfig, Prediction};
//! use engine::diffusion::ddim::DdimSampler;
//! use engine::diffusion::schedule::NoiseSchedule;
//!
//! let schedule = NoiseSchedule::new(&DiffusionConfig::default())?;
//! let sampler = DdimSampler::new(&schedule, Prediction::V, 4)?;
//! // A toy denoiser: its prediction of `v` always implies the clean value 0.25.
//! let mut denoise = |x_t: &[f32], t: usize| {
//!     let (alpha, sigma) = schedule.signal_and_noise(t);
//!     let v = |&x: &f32| ((alpha * f64::from(x) - 0.25) / sigma) as f32;
//!     Ok(x_t.iter().map(v).collect())
//! };
//! let mut latent = [1.5, -0.5];
//! sampler.sample(&mut latent, &mut denoise, None)?;
//! assert!(latent.iter().all(|x: &f32| (x - 0.25).abs() < 1e-5));
//! # Ok::<(), engine::Error>(())
//! ```

use super::prefix::Prefix;
use super::schedule::NoiseSchedule;
use crate::config::Prediction;
use crate::{Error, Result};

/// Returns the network's output for `(x_t, t)`. An error ends the sampling.
pub type Denoise<'a> = dyn FnMut(&[f32], usize) -> Result<Vec<f32>> + 'a;

/// Alpha and sigma of one timestep.
#[derive(Clone, Copy, Debug)]
struct NoiseLevel {
    alpha: f64,
    sigma: f64,
}

impl NoiseLevel {
    /// The level after the last step: no noise at all (`set_alpha_to_one` in diffusers).
    const CLEAN: Self = Self { alpha: 1.0, sigma: 0.0 };
}

/// Moves a latent from noise to clean along trailing timesteps.
#[derive(Clone, Debug)]
pub struct DdimSampler {
    prediction: Prediction,
    /// The timesteps, noisiest first.
    timesteps: Vec<usize>,
    /// The level of every timestep, then [`NoiseLevel::CLEAN`].
    levels: Vec<NoiseLevel>,
}

impl DdimSampler {
    /// A sampler of `steps` steps (1 to the schedule's length) from pure noise.
    ///
    /// # Errors
    /// If the number of steps is out of range, or the schedule does not support the prediction.
    pub fn new(schedule: &NoiseSchedule, prediction: Prediction, steps: usize) -> Result<Self> {
        Self::from_strength(schedule, prediction, steps, 1.0)
    }

    /// A sampler that starts at the fraction `strength` (0 to 1) of the schedule.
    ///
    /// It runs the same fraction of the steps, at least one; no step at strength 0. Every strength
    /// above 0 starts at its own timestep, also with few steps. Strengths that are a multiple of `1
    /// / steps` start where the image-to-image pipelines of diffusers do.
    ///
    /// Below full strength the caller starts from [`super::forward::ForwardDiffusion::q_sample`] of
    /// the content's latent at the first of [`DdimSampler::timesteps`].
    ///
    /// # Errors
    /// As [`DdimSampler::new`].
    pub fn from_strength(
        schedule: &NoiseSchedule,
        prediction: Prediction,
        steps: usize,
        strength: f32,
    ) -> Result<Self> {
        schedule.supports(prediction)?;
        if !(1..=schedule.len()).contains(&steps) {
            return Err(Error::invalid("steps", format!("1 to {}", schedule.len()), steps));
        }
        let timesteps = timesteps(schedule.len(), steps, strength);
        let level = |&t: &usize| {
            let (alpha, sigma) = schedule.signal_and_noise(t);
            NoiseLevel { alpha, sigma }
        };
        let levels = timesteps.iter().map(level).chain([NoiseLevel::CLEAN]).collect();
        Ok(Self { prediction, timesteps, levels })
    }

    /// The timesteps in the order of sampling, from the noisiest down.
    pub fn timesteps(&self) -> &[usize] {
        &self.timesteps
    }

    /// Replaces `x_t`, a latent at the first of [`DdimSampler::timesteps`], by a clean one.
    ///
    /// # Errors
    /// If `denoise` fails or returns another number of values, or the prefix has another size.
    pub fn sample(
        &self,
        x_t: &mut [f32],
        denoise: &mut Denoise,
        prefix: Option<&Prefix>,
    ) -> Result<()> {
        if let Some(prefix) = prefix {
            prefix.require_len(x_t.len())?;
            prefix.apply(x_t);
        }
        for (&t, levels) in self.timesteps.iter().zip(self.levels.windows(2)) {
            let output = denoise(x_t, t)?;
            if output.len() != x_t.len() {
                let (found, expected) = (output.len(), x_t.len());
                let reason = format!("expected {expected} values from the denoiser, found {found}");
                return Err(Error::Compute(reason));
            }
            step(self.prediction, levels[0], levels[1], x_t, &output);
            if let Some(prefix) = prefix {
                prefix.apply(x_t);
            }
        }
        Ok(())
    }
}

/// One step from `x_t` to `x_s`, in place, for the network's output at `x_t`.
///
/// `x_s = alpha_s x_0 + sigma_s epsilon` (Song et al. 2021, equation 12 without fresh noise). `x_0`
/// and `epsilon` follow from the output.
fn step(prediction: Prediction, t: NoiseLevel, s: NoiseLevel, x: &mut [f32], output: &[f32]) {
    let x_0_and_epsilon = match prediction {
        Prediction::Epsilon => from_epsilon,
        Prediction::V => from_v,
    };
    for (x, &output) in x.iter_mut().zip(output) {
        let (x_0, epsilon) = x_0_and_epsilon(t, f64::from(*x), f64::from(output));
        *x = (s.alpha * x_0 + s.sigma * epsilon) as f32;
    }
}

/// `x_0` and `epsilon` from a prediction of `epsilon` (Song et al. 2021, equation 9).
fn from_epsilon(t: NoiseLevel, x_t: f64, epsilon: f64) -> (f64, f64) {
    ((x_t - t.sigma * epsilon) / t.alpha, epsilon)
}

/// `x_0` and `epsilon` from a prediction of `v = alpha_t epsilon - sigma_t x_0` (Salimans and Ho
/// 2022, appendix D). No division: at `alpha_t = 0` it returns `x_0 = -v` and `epsilon = x_t`.
fn from_v(t: NoiseLevel, x_t: f64, v: f64) -> (f64, f64) {
    (t.alpha * x_t - t.sigma * v, t.sigma * x_t + t.alpha * v)
}

/// The timesteps of a strength on a schedule of `len` timesteps; none at strength 0.
fn timesteps(len: usize, steps: usize, strength: f32) -> Vec<usize> {
    if strength.is_nan() || strength <= 0.0 {
        return Vec::new();
    }
    let strength = f64::from(strength.min(1.0));
    let first = (strength * len as f64).max(1.0);
    let count = (strength * steps as f64).round().clamp(1.0, first.floor());
    trailing_timesteps(first, count as usize)
}

/// `round(arange(T, 0, -T / steps)) - 1` for `first = T` (Lin et al. 2024, table 2, "trailing"), as
/// numpy computes it. The increment is rounded once, and halves are rounded to even.
///
/// If `T / steps` is not exact, numpy's `arange` can return one element too many (61 steps of
/// 1000). Diffusers uses it as timestep -1. This function always returns `steps` elements.
fn trailing_timesteps(first: f64, steps: usize) -> Vec<usize> {
    let increment = (first - first / steps as f64) - first;
    (0..steps).map(|i| (first + i as f64 * increment).round_ties_even() as usize - 1).collect()
}

#[cfg(test)]
mod tests;
