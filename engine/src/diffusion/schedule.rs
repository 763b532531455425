//! Noise schedules: the shares of signal and noise at each timestep.
//!
//! ```
//! use engine::config::DiffusionConfig;
//! use engine::diffusion::schedule::NoiseSchedule;
//!
//! let schedule = NoiseSchedule::new(&DiffusionConfig::default())?;
//! assert_eq!(schedule.signal_and_noise(999), (0.0, 1.0));
//! # Ok::<(), engine::Error>(())
//! ```

use std::f64::consts::FRAC_PI_2;

use crate::config::{DiffusionConfig, Prediction, ScheduleKind};
use crate::{Error, Result};

/// Offset that keeps the first betas of the cosine schedule away from 0 (Nichol and Dhariwal 2021,
/// section 3.2).
const COSINE_OFFSET: f64 = 0.008;
/// Largest beta of the cosine schedule before rescaling (same section; diffusers'
/// `squaredcos_cap_v2`).
const COSINE_MAX_BETA: f64 = 0.999;
/// First and last beta of the reports' linear schedule.
const LINEAR_BETAS: (f64, f64) = (1e-4, 0.02);

/// `alpha_bar` of every training timestep.
///
/// Timestep 0 is nearly clean, and timestep `len() - 1` is the noisiest. With zero terminal SNR it
/// is pure noise.
#[derive(Clone, Debug, PartialEq)]
pub struct NoiseSchedule {
    /// Cumulative product of `1 - beta` (report 2, after equation 2), decreasing, in `[0, 1)`.
    pub alphas_cumprod: Vec<f64>,
}

impl NoiseSchedule {
    /// The config's schedule.
    ///
    /// # Errors
    /// If the number of timesteps is out of range, or as [`NoiseSchedule::supports`].
    pub fn new(config: &DiffusionConfig) -> Result<Self> {
        let timesteps = config.train_timesteps;
        if !(2..=100_000).contains(&timesteps) {
            return Err(Error::checkpoint("diffusion.train_timesteps", "2 to 100000", timesteps));
        }
        let schedule = match config.schedule {
            ScheduleKind::Linear => Self::linear(timesteps),
            ScheduleKind::CosineZeroSnr => Self::cosine(timesteps).rescaled_to_zero_terminal_snr(),
        };
        schedule.supports(config.prediction)?;
        Ok(schedule)
    }

    /// The reports' linear betas over `timesteps` (at least 2).
    pub fn linear(timesteps: usize) -> Self {
        let (first, last) = LINEAR_BETAS;
        let betas =
            (0..timesteps).map(|i| first + (last - first) * i as f64 / (timesteps - 1) as f64);
        Self::from_betas(betas)
    }

    /// The cosine schedule over `timesteps` (Nichol and Dhariwal 2021, equation 17), without
    /// rescaling.
    pub fn cosine(timesteps: usize) -> Self {
        let alpha_bar = |i: usize| {
            let time = i as f64 / timesteps as f64;
            ((time + COSINE_OFFSET) / (1.0 + COSINE_OFFSET) * FRAC_PI_2).cos().powi(2)
        };
        let betas =
            (0..timesteps).map(|i| (1.0 - alpha_bar(i + 1) / alpha_bar(i)).min(COSINE_MAX_BETA));
        Self::from_betas(betas)
    }

    fn from_betas(betas: impl Iterator<Item = f64>) -> Self {
        let alphas_cumprod = betas
            .scan(1.0, |product, beta| {
                *product *= 1.0 - beta;
                Some(*product)
            })
            .collect();
        Self { alphas_cumprod }
    }

    /// Shifts and scales `sqrt(alpha_bar)` so that the last value is 0 and the first is unchanged
    /// (Lin et al. 2024, algorithm 1).
    pub fn rescaled_to_zero_terminal_snr(mut self) -> Self {
        let (Some(first), Some(last)) = (self.alphas_cumprod.first(), self.alphas_cumprod.last())
        else {
            return self;
        };
        let (first, last) = (first.sqrt(), last.sqrt());
        for alpha_bar in &mut self.alphas_cumprod {
            let root = (alpha_bar.sqrt() - last) * (first / (first - last));
            *alpha_bar = root * root;
        }
        self
    }

    /// Number of training timesteps.
    pub fn len(&self) -> usize {
        self.alphas_cumprod.len()
    }

    /// Whether the schedule has no timesteps.
    pub fn is_empty(&self) -> bool {
        self.alphas_cumprod.is_empty()
    }

    /// `(sqrt(alpha_bar), sqrt(1 - alpha_bar))` at timestep `t`: the shares of signal and noise in
    /// `x_t`.
    pub fn signal_and_noise(&self, t: usize) -> (f64, f64) {
        let alpha_bar = self.alphas_cumprod[t];
        (alpha_bar.sqrt(), (1.0 - alpha_bar).sqrt())
    }

    /// Rejects epsilon prediction if the last timestep has no signal, because equation 4 would
    /// divide by 0. A product of very many betas stops at the smallest subnormal number, which
    /// counts as 0.
    pub fn supports(&self, prediction: Prediction) -> Result<()> {
        let last = self.alphas_cumprod.last().copied().unwrap_or(0.0);
        if prediction == Prediction::Epsilon && last < f64::MIN_POSITIVE {
            return Err(Error::checkpoint(
                "diffusion.prediction",
                "`v` with a schedule whose last alpha_bar is 0 (diffusion.schedule)",
                "`epsilon`",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(
        schedule: ScheduleKind,
        prediction: Prediction,
        train_timesteps: usize,
    ) -> DiffusionConfig {
        DiffusionConfig { schedule, prediction, train_timesteps }
    }

    #[test]
    fn signal_decreases_from_almost_all_to_exactly_none() {
        for timesteps in [2, 3, 200, 1000, 100_000] {
            let schedule =
                NoiseSchedule::new(&config(ScheduleKind::CosineZeroSnr, Prediction::V, timesteps))
                    .unwrap();
            assert_eq!(schedule.len(), timesteps);
            assert_eq!(*schedule.alphas_cumprod.last().unwrap(), 0.0);
            assert!(schedule.alphas_cumprod.windows(2).all(|pair| pair[1] < pair[0]));
            assert!(schedule.alphas_cumprod.iter().all(|a| (0.0..1.0).contains(a)));
        }
    }

    /// At the reports' T = 200 their linear betas end at 0.132, far from pure noise.
    #[test]
    fn the_reports_schedule_ends_far_from_noise() {
        let schedule =
            NoiseSchedule::new(&config(ScheduleKind::Linear, Prediction::Epsilon, 200)).unwrap();
        assert!((schedule.alphas_cumprod[199] - 0.132).abs() < 1e-3);
    }

    #[test]
    fn epsilon_needs_signal_at_the_end() {
        let error =
            NoiseSchedule::new(&config(ScheduleKind::CosineZeroSnr, Prediction::Epsilon, 1000))
                .unwrap_err();
        assert!(error.to_string().contains("diffusion.prediction"), "{error}");
        // The product of so many linear steps underflows.
        assert!(
            NoiseSchedule::new(&config(ScheduleKind::Linear, Prediction::Epsilon, 100_000))
                .is_err()
        );
        assert!(NoiseSchedule::new(&config(ScheduleKind::Linear, Prediction::V, 1)).is_err());
    }
}
