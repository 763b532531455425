//! The learning rate schedule of a run: one of several rules.

use serde::{Deserialize, Serialize};

use super::plateau::{Plateau, PlateauConfig};
use super::warmup_cosine::{WarmupCosine, warmup};

/// The rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Constant after the warm-up.
    Constant,
    /// Reduced when validation stops improving, as in the student report.
    Plateau,
    /// Half a cosine from the warm-up to the last step.
    WarmupCosine,
}

/// The section `schedule` of a run config.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleConfig {
    /// The rule.
    pub rule: Rule,
    /// The maximum rate.
    pub learning_rate: f64,
    /// Steps of linear warm-up.
    pub warmup_steps: u64,
    /// `warmup-cosine`: the last rate as a share of the maximum.
    pub floor: f64,
    /// Constants of `plateau`.
    pub plateau: PlateauConfig,
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self {
            rule: Rule::WarmupCosine,
            learning_rate: 5e-4,
            warmup_steps: 200,
            floor: 0.02,
            plateau: PlateauConfig::default(),
        }
    }
}

/// A rule with its state.
pub struct Schedule {
    config: ScheduleConfig,
    total_steps: u64,
    plateau: Plateau,
}

impl Schedule {
    /// A schedule over `total_steps`.
    pub fn new(config: ScheduleConfig, total_steps: u64) -> Self {
        let plateau = Plateau::new(config.learning_rate);
        Self { config, total_steps, plateau }
    }

    /// The rate of step `step`, counted from 0.
    pub fn learning_rate(&self, step: u64) -> f64 {
        let ScheduleConfig { rule, learning_rate, warmup_steps, floor, .. } = self.config;
        match rule {
            Rule::Constant => learning_rate * warmup(step, warmup_steps),
            Rule::Plateau => self.plateau.learning_rate() * warmup(step, warmup_steps),
            Rule::WarmupCosine => WarmupCosine {
                peak: learning_rate,
                floor,
                warmup_steps,
                total_steps: self.total_steps,
            }
            .factor(step),
        }
    }

    /// Adds a validation metric (lower is better).
    pub fn observe(&mut self, metric: f64) {
        self.plateau.observe(&self.config.plateau, metric);
    }

    /// The state for a resumed run.
    pub fn state(&self) -> &Plateau {
        &self.plateau
    }

    /// Restores a saved state. If the config has another rate now, its reductions apply to that one.
    pub fn restore(&mut self, state: Plateau) {
        self.plateau = state.from_rate(self.config.learning_rate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resumed_plateau_reduces_the_rate_of_the_current_config() {
        let plateau = PlateauConfig { patience: 0, ..PlateauConfig::default() };
        let config = ScheduleConfig {
            rule: Rule::Plateau,
            learning_rate: 0.4,
            warmup_steps: 0,
            plateau,
            ..Default::default()
        };
        let mut schedule = Schedule::new(config.clone(), 100);
        schedule.observe(1.0);
        schedule.observe(1.0);
        assert_eq!(schedule.learning_rate(9), 0.2);
        for (learning_rate, expected) in [(0.4, 0.2), (0.04, 0.02)] {
            let mut resumed =
                Schedule::new(ScheduleConfig { learning_rate, ..config.clone() }, 100);
            resumed.restore(schedule.state().clone());
            assert!(
                (resumed.learning_rate(9) - expected).abs() < 1e-12,
                "{}",
                resumed.learning_rate(9)
            );
        }
        // An equal rate keeps the state to the bit, also for inexact factors.
        for factor in [0.1, 0.3, 0.7] {
            let plateau = PlateauConfig { factor, ..config.plateau.clone() };
            let config = ScheduleConfig { learning_rate: 0.03, plateau, ..config.clone() };
            let mut reduced = Schedule::new(config.clone(), 100);
            (0..5).for_each(|_| reduced.observe(1.0));
            let mut resumed = Schedule::new(config, 100);
            resumed.restore(reduced.state().clone());
            assert_eq!(resumed.state(), reduced.state());
        }
        // An old state has no initial rate.
        let old: Plateau =
            serde_json::from_str("{\"learning_rate\":0.1,\"best\":1.0,\"bad\":0}").unwrap();
        schedule.restore(old);
        assert_eq!(schedule.learning_rate(9), 0.1);
    }
}
