//! Reduces the learning rate when validation stops improving: torch's `ReduceLROnPlateau` in mode
//! `min`.

use serde::{Deserialize, Serialize};

/// Constants of the rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlateauConfig {
    /// Factor of a reduction.
    pub factor: f64,
    /// Number of validations without improvement before a reduction.
    pub patience: u64,
    /// Minimum of the rate.
    pub min_learning_rate: f64,
    /// A metric below `best * (1 - threshold)` is an improvement.
    pub threshold: f64,
}

impl Default for PlateauConfig {
    fn default() -> Self {
        Self { factor: 0.5, patience: 10, min_learning_rate: 1e-6, threshold: 1e-4 }
    }
}

/// The state of the rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plateau {
    learning_rate: f64,
    /// The initial rate; `None` in old states.
    #[serde(default)]
    began_at: Option<f64>,
    /// None before the first validation (JSON has no infinity).
    best: Option<f64>,
    bad: u64,
}

impl Plateau {
    /// Starts at `learning_rate`.
    pub fn new(learning_rate: f64) -> Self {
        Self { learning_rate, began_at: Some(learning_rate), best: None, bad: 0 }
    }

    /// The same reductions from another initial rate.
    pub fn from_rate(self, learning_rate: f64) -> Self {
        match self.began_at {
            // No arithmetic for an equal rate, so that a resumed run is equal to the bit.
            Some(began_at) if began_at != learning_rate => {
                let reduced = learning_rate * (self.learning_rate / began_at);
                Self { learning_rate: reduced, began_at: Some(learning_rate), ..self }
            }
            _ => self,
        }
    }

    /// The current rate.
    pub fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    /// Adds a validation metric (lower is better). NaN is not an improvement.
    pub fn observe(&mut self, config: &PlateauConfig, metric: f64) {
        if self.best.is_none_or(|best| metric < best * (1.0 - config.threshold))
            && metric.is_finite()
        {
            self.best = Some(metric);
            self.bad = 0;
        } else {
            self.bad += 1;
        }
        if self.bad > config.patience {
            self.bad = 0;
            let lower = (self.learning_rate * config.factor).max(config.min_learning_rate);
            // torch's `eps`: smaller reductions are ignored.
            if self.learning_rate - lower > 1e-8 {
                self.learning_rate = lower;
            }
        }
    }
}
