//! The learning rate of a run: one of the rules, behind one face.

use serde::{Deserialize, Serialize};

use super::plateau::{Plateau, PlateauConfig};
use super::warmup_cosine::{WarmupCosine, warmup};

/// Which rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Constant after the warm-up.
    Constant,
    /// Falls when validation stops improving (the reports' rule).
    Plateau,
    /// Falls along half a cosine until the last step.
    WarmupCosine,
}

/// The learning rate's section of a run config.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleConfig {
    /// Which rule.
    pub rule: Rule,
    /// The highest rate.
    pub learning_rate: f64,
    /// Steps of linear warm-up.
    pub warmup_steps: u64,
    /// `warmup-cosine`: the last rate as a share of the highest.
    pub floor: f64,
    /// `plateau`: its constants.
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

/// The rule with its state; the state is what a resumed run needs.
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

    /// The rate of step `step` (the first is 0).
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

    /// Takes a validation metric (less is better).
    pub fn observe(&mut self, metric: f64) {
        self.plateau.observe(&self.config.plateau, metric);
    }

    /// What a resumed run needs.
    pub fn state(&self) -> &Plateau {
        &self.plateau
    }

    /// Goes on from a saved state; where the rate that the config names is another one now, from
    /// that one.
    pub fn restore(&mut self, state: Plateau) {
        self.plateau = state.from_rate(self.config.learning_rate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resumed_plateau_falls_from_the_rate_that_the_config_names_now() {
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
        // By the same rate to the bit, also where its falls do not divide out.
        for factor in [0.1, 0.3, 0.7] {
            let plateau = PlateauConfig { factor, ..config.plateau.clone() };
            let config = ScheduleConfig { learning_rate: 0.03, plateau, ..config.clone() };
            let mut fallen = Schedule::new(config.clone(), 100);
            (0..5).for_each(|_| fallen.observe(1.0));
            let mut resumed = Schedule::new(config, 100);
            resumed.restore(fallen.state().clone());
            assert_eq!(resumed.state(), fallen.state());
        }
        // A state of before does not say where it began.
        let old: Plateau =
            serde_json::from_str("{\"learning_rate\":0.1,\"best\":1.0,\"bad\":0}").unwrap();
        schedule.restore(old);
        assert_eq!(schedule.learning_rate(9), 0.1);
    }
}
