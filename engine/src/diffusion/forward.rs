//! Forward diffusion: noisy latents and training targets from clean latents.
//!
//! ```
//! use engine::config::DiffusionConfig;
//! use engine::diffusion::forward::ForwardDiffusion;
//!
//! let process = ForwardDiffusion::new(&DiffusionConfig::default())?;
//! let (x0, noise, mut x_t) = ([0.5, -1.25], [2.0, 0.125], [0.0; 2]);
//! process.q_sample(&x0, &noise, 999, &mut x_t);
//! assert_eq!(x_t, noise, "the last timestep is pure noise");
//! # Ok::<(), engine::Error>(())
//! ```

use super::schedule::NoiseSchedule;
use crate::Result;
use crate::config::{DiffusionConfig, Prediction};

/// The forward process of report 2, equations 1 to 3, and the network's training target.
///
/// Works on flat slices of any shape. All slices of one call have the same length.
#[derive(Clone, Debug)]
pub struct ForwardDiffusion {
    schedule: NoiseSchedule,
    prediction: Prediction,
}

impl ForwardDiffusion {
    /// The process of a config.
    pub fn new(config: &DiffusionConfig) -> Result<Self> {
        Ok(Self { schedule: NoiseSchedule::new(config)?, prediction: config.prediction })
    }

    /// The noise schedule.
    pub fn schedule(&self) -> &NoiseSchedule {
        &self.schedule
    }

    /// The quantity that the network predicts.
    pub fn prediction(&self) -> Prediction {
        self.prediction
    }

    /// Equation 3: `x_t = sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) noise`.
    ///
    /// # Panics
    /// If the slices differ in length or `t` is not a training timestep.
    pub fn q_sample(&self, x0: &[f32], noise: &[f32], t: usize, out: &mut [f32]) {
        let (signal, noise_share) = self.schedule.signal_and_noise(t);
        mix(x0, signal, noise, noise_share, out);
    }

    /// The training target for `q_sample(x0, noise, t)`: the noise, or
    /// `v = sqrt(alpha_bar) noise - sqrt(1 - alpha_bar) x0` (Salimans and Ho 2022, appendix D).
    ///
    /// # Panics
    /// As [`Self::q_sample`].
    pub fn target(&self, x0: &[f32], noise: &[f32], t: usize, out: &mut [f32]) {
        match self.prediction {
            Prediction::Epsilon => out.copy_from_slice(noise),
            Prediction::V => {
                let (signal, noise_share) = self.schedule.signal_and_noise(t);
                mix(noise, signal, x0, -noise_share, out);
            }
        }
    }

    /// Equation 4 and its counterpart for v: the clean latent that a prediction at `x_t` implies.
    ///
    /// # Panics
    /// As [`Self::q_sample`].
    pub fn x0(&self, x_t: &[f32], prediction: &[f32], t: usize, out: &mut [f32]) {
        let (signal, noise_share) = self.schedule.signal_and_noise(t);
        match self.prediction {
            Prediction::Epsilon => mix(x_t, 1.0 / signal, prediction, -noise_share / signal, out),
            Prediction::V => mix(x_t, signal, prediction, -noise_share, out),
        }
    }
}

/// `out = a wa + b wb`, rounded to f32 once.
fn mix(a: &[f32], wa: f64, b: &[f32], wb: f64, out: &mut [f32]) {
    assert!(a.len() == out.len() && b.len() == out.len(), "slices of one call have one length");
    for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
        *out = (wa * f64::from(a) + wb * f64::from(b)) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ScheduleKind;
    use crate::diffusion::noise;

    fn processes() -> [ForwardDiffusion; 3] {
        let process = |schedule, prediction| {
            ForwardDiffusion::new(&DiffusionConfig { schedule, prediction, train_timesteps: 1000 })
                .unwrap()
        };
        [
            process(ScheduleKind::CosineZeroSnr, Prediction::V),
            process(ScheduleKind::Linear, Prediction::V),
            process(ScheduleKind::Linear, Prediction::Epsilon),
        ]
    }

    /// A network that predicts the exact target recovers the clean latent.
    #[test]
    fn the_exact_target_recovers_the_clean_latent() {
        let (x0, noise) = (noise::gaussian(1, 0, 8, 8), noise::gaussian(2, 0, 8, 8));
        let (mut x_t, mut target, mut back) = (vec![0.0; 64], vec![0.0; 64], vec![0.0; 64]);
        for process in processes() {
            for t in [0, 1, 10, 500, 998, 999] {
                process.q_sample(&x0, &noise, t, &mut x_t);
                process.target(&x0, &noise, t, &mut target);
                process.x0(&x_t, &target, t, &mut back);
                // For epsilon, the rounding error of x_t is divided by sqrt(alpha_bar).
                let allowed = match process.prediction() {
                    Prediction::V => 1e-6,
                    Prediction::Epsilon => 1e-6 / process.schedule().signal_and_noise(t).0 as f32,
                };
                let worst = x0.iter().zip(&back).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(worst <= allowed, "timestep {t}: {worst}");
            }
        }
    }

    #[test]
    fn zero_terminal_snr_is_pure_noise_with_the_negated_latent_as_target() {
        let [process, ..] = processes();
        let (x0, noise, mut out) = ([0.5, -1.25], [2.0, 0.125], [0.0; 2]);
        process.q_sample(&x0, &noise, 999, &mut out);
        assert_eq!(out, noise);
        process.target(&x0, &noise, 999, &mut out);
        assert_eq!(out, [-0.5, 1.25]);
    }
}
