//! DDIM sampling (Song, Meng and Ermon 2021; report 2, equations 5 and 6).

use super::schedule::NoiseSchedule;
use crate::config::Prediction;
use crate::{Error, Result};

/// Answers the network's prediction for `(x_t, timestep)`; `Err(Error::Cancelled)` ends the
/// sampling.
pub type Denoise<'a> = dyn FnMut(&[f32], usize) -> Result<Vec<f32>> + 'a;
/// Standard normal noise for the step of that index, as long as the latent; asked only where eta
/// puts noise in.
pub type StepNoise<'a> = dyn FnMut(usize) -> Vec<f32> + 'a;

/// Values of a latent that are known already: the clean columns that continue the previous window.
///
/// Known places are overwritten with their clean values (not noised ones: our network is trained
/// with a clean prefix and a mask channel) before every call of the network and in the result.
#[derive(Clone, Debug, PartialEq)]
pub struct Prefix {
    known: Vec<bool>,
    clean: Vec<f32>,
}

impl Prefix {
    /// Any set of known places: `known` and `clean` are flat and as long as the latent.
    pub fn masked(known: Vec<bool>, clean: Vec<f32>) -> Result<Self> {
        if known.len() != clean.len() {
            return Err(Error::invalid("prefix", format!("{} values", known.len()), clean.len()));
        }
        Ok(Self { known, clean })
    }

    /// The first `columns` of a latent of shape `(H, W, C)`; `clean` is `(H, columns, C)`,
    /// row-major.
    pub fn columns(
        clean: &[f32],
        columns: usize,
        [height, width, channels]: [usize; 3],
    ) -> Result<Self> {
        if columns > width {
            return Err(Error::invalid("prefix", format!("at most {width} columns"), columns));
        }
        let (short, long) = (columns * channels, width * channels);
        if clean.len() != height * short {
            return Err(Error::invalid(
                "prefix",
                format!("{} values", height * short),
                clean.len(),
            ));
        }
        let mut prefix =
            Self { known: vec![false; height * long], clean: vec![0.0; height * long] };
        for row in 0..height {
            prefix.known[row * long..][..short].fill(true);
            prefix.clean[row * long..][..short].copy_from_slice(&clean[row * short..][..short]);
        }
        Ok(prefix)
    }

    /// Which places are known, flat: what the network's mask channel is made from.
    pub fn known(&self) -> &[bool] {
        &self.known
    }

    fn apply(&self, latent: &mut [f32]) {
        for ((value, &known), &clean) in latent.iter_mut().zip(&self.known).zip(&self.clean) {
            if known {
                *value = clean;
            }
        }
    }
}

/// One step's numbers: from `alpha_bar` at its timestep to `alpha_bar` at the next one.
#[derive(Clone, Copy, Debug)]
struct Step {
    /// `sqrt(alpha_bar_t)`.
    signal: f64,
    /// `sqrt(1 - alpha_bar_t)`.
    noise: f64,
    /// `sqrt(alpha_bar)` of the next timestep.
    next_signal: f64,
    /// Share of the predicted noise in the next latent.
    direction: f64,
    /// Share of fresh noise in the next latent: eta times equation 16 of the DDIM paper.
    sigma: f64,
}

/// Walks a latent from noise to clean along trailing timesteps.
#[derive(Clone, Debug)]
pub struct DdimSampler {
    prediction: Prediction,
    timesteps: Vec<usize>,
    steps: Vec<Step>,
}

impl DdimSampler {
    /// A sampler of `steps` steps (1 to the schedule's length) from pure noise; eta from 0
    /// (deterministic) to 1 (as much fresh noise as DDPM).
    pub fn new(
        schedule: &NoiseSchedule,
        prediction: Prediction,
        steps: usize,
        eta: f32,
    ) -> Result<Self> {
        Self::from_strength(schedule, prediction, steps, eta, 1.0)
    }

    /// A sampler that begins where so much of the schedule (`strength`, 0 to 1) is left, and takes
    /// so much of the steps, one at least: above 0 every strength is another beginning, however few
    /// the steps. At 0 nothing is left to do. Strengths that are a whole number of `steps`-ths
    /// begin where diffusers' image-to-image pipelines do.
    ///
    /// Below full strength the caller starts from [`super::forward::ForwardDiffusion::q_sample`] of
    /// the content's latent at the first of [`DdimSampler::timesteps`].
    pub fn from_strength(
        schedule: &NoiseSchedule,
        prediction: Prediction,
        steps: usize,
        eta: f32,
        strength: f32,
    ) -> Result<Self> {
        schedule.supports(prediction)?;
        if !(1..=schedule.len()).contains(&steps) {
            return Err(Error::invalid("steps", format!("1 to {}", schedule.len()), steps));
        }
        if !(0.0..=1.0).contains(&eta) {
            return Err(Error::invalid("eta", "0 to 1", eta));
        }
        let timesteps = match strength.is_nan() || strength <= 0.0 {
            true => Vec::new(),
            false => {
                let strength = f64::from(strength.min(1.0));
                let left = (strength * schedule.len() as f64).max(1.0);
                let taken = (strength * steps as f64).round().clamp(1.0, left.floor());
                trailing_timesteps(left, taken as usize)
            }
        };
        // After the last step nothing is noise any more (diffusers' `set_alpha_to_one`).
        let alpha_bars: Vec<f64> =
            timesteps.iter().map(|&t| schedule.alphas_cumprod[t]).chain([1.0]).collect();
        let steps =
            alpha_bars.windows(2).map(|pair| Step::new(pair[0], pair[1], f64::from(eta))).collect();
        Ok(Self { prediction, timesteps, steps })
    }

    /// The timesteps in the order of sampling, from the noisiest down.
    pub fn timesteps(&self) -> &[usize] {
        &self.timesteps
    }

    /// Takes `x_t`, a latent at the first of [`DdimSampler::timesteps`], to a clean one, in place.
    ///
    /// # Panics
    /// If `noise` answers another length than the latent's.
    pub fn sample(
        &self,
        x_t: &mut [f32],
        denoise: &mut Denoise,
        noise: &mut StepNoise,
        prefix: Option<&Prefix>,
    ) -> Result<()> {
        if let Some(prefix) = prefix {
            if prefix.known.len() != x_t.len() {
                return Err(Error::invalid(
                    "prefix",
                    format!("{} values", x_t.len()),
                    prefix.known.len(),
                ));
            }
            prefix.apply(x_t);
        }
        for (index, (step, &timestep)) in self.steps.iter().zip(&self.timesteps).enumerate() {
            let prediction = denoise(x_t, timestep)?;
            if prediction.len() != x_t.len() {
                return Err(Error::Compute(format!(
                    "the denoiser answered {} values for a latent of {}",
                    prediction.len(),
                    x_t.len()
                )));
            }
            step.apply(self.prediction, x_t, &prediction);
            if step.sigma > 0.0 {
                add_scaled(x_t, &noise(index), step.sigma);
            }
            if let Some(prefix) = prefix {
                prefix.apply(x_t);
            }
        }
        Ok(())
    }
}

impl Step {
    fn new(alpha_bar: f64, next: f64, eta: f64) -> Self {
        let variance = (1.0 - next) / (1.0 - alpha_bar) * (1.0 - alpha_bar / next);
        let sigma = eta * variance.sqrt();
        Self {
            signal: alpha_bar.sqrt(),
            noise: (1.0 - alpha_bar).sqrt(),
            next_signal: next.sqrt(),
            direction: (1.0 - next - sigma * sigma).max(0.0).sqrt(),
            sigma,
        }
    }

    /// Equations 5 and 6 without the fresh noise. Under v no division happens, so `alpha_bar = 0`
    /// is as good as any: there `x0 = -v` and the noise is `x_t` itself.
    fn apply(&self, kind: Prediction, x_t: &mut [f32], prediction: &[f32]) {
        for (x, &prediction) in x_t.iter_mut().zip(prediction) {
            let (x_t, prediction) = (f64::from(*x), f64::from(prediction));
            let (x0, epsilon) = match kind {
                Prediction::Epsilon => ((x_t - self.noise * prediction) / self.signal, prediction),
                Prediction::V => (
                    self.signal * x_t - self.noise * prediction,
                    self.signal * prediction + self.noise * x_t,
                ),
            };
            *x = (self.next_signal * x0 + self.direction * epsilon) as f32;
        }
    }
}

fn add_scaled(x: &mut [f32], noise: &[f32], scale: f64) {
    assert_eq!(x.len(), noise.len(), "a latent's noise is as long as the latent");
    for (x, &noise) in x.iter_mut().zip(noise) {
        *x = (f64::from(*x) + scale * f64::from(noise)) as f32;
    }
}

/// `round(arange(T, 0, -T / steps)) - 1` (Lin et al. 2024, table 2, "trailing") for `first = T`, as
/// numpy computes it: the increment is rounded once, halves go to the even side.
///
/// numpy's `arange` gives one element too many where `T / steps` is not exact and falls short (61
/// steps of 1000); diffusers would then ask for timestep -1. Ours has `steps` elements always.
fn trailing_timesteps(first: f64, steps: usize) -> Vec<usize> {
    let increment = (first - first / steps as f64) - first;
    (0..steps).map(|i| (first + i as f64 * increment).round_ties_even() as usize - 1).collect()
}

#[cfg(test)]
mod tests;
